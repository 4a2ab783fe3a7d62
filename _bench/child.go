package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// startChild runs this program once more, as a server, and returns its address.
func startChild(ctx context.Context, args ...string) (addr string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	child := exec.CommandContext(ctx, self, args...)
	child.Stderr = os.Stderr
	alive, err := child.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	said, err := child.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := child.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = alive.Close()
		_ = child.Wait()
	}
	addr, err = bufio.NewReader(said).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the server did not start: %w", err)
	}
	return strings.TrimSpace(addr), stop, nil
}

func (s settings) isChild() bool { return s.serve != "" || s.distance > 0 }

// beChild prints its address and lives until its standard input ends.
func beChild(s settings, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if s.distance > 0 {
		go forward(listener, s.redis, s.distance)
	} else if err := serve(listener, s.serve, s.redis); err != nil {
		return err
	}
	fmt.Fprintln(out, listener.Addr())
	_, err = io.Copy(io.Discard, in)
	return err
}

// serve is a server with one contender.
func serve(listener net.Listener, name, redisAddr string) error {
	i := slices.IndexFunc(contenders, func(c contender) bool { return c.name == name })
	if i < 0 {
		return fmt.Errorf("-serve %q: no such contender", name)
	}
	e, err := contenders[i].enter([]string{redisAddr})
	if err != nil {
		return err
	}
	engine, err := e.engine(1)
	if err != nil {
		return err
	}
	if err := engine.SetTrustedProxies([]string{"127.0.0.1"}); err != nil {
		return err
	}
	go func() { _ = http.Serve(listener, engine) }()
	return nil
}
