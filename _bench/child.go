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
	"strings"
)

// startChild runs this program as a server with one contender and returns its URL.
func startChild(ctx context.Context, name, redisAddr string) (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	child := exec.CommandContext(ctx, self, "-serve", name, "-redis", redisAddr)
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
	addr, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the server did not start: %w", err)
	}
	return "http://" + strings.TrimSpace(addr) + route, stop, nil
}

// serve is the child: it prints its address and lives until its standard input ends.
func serve(name, redisAddr string, in io.Reader, out io.Writer) error {
	for _, c := range contenders {
		if c.name != name {
			continue
		}
		engine, err := c.engine(c.client(redisAddr))
		if err != nil {
			return err
		}
		if err := engine.SetTrustedProxies([]string{"127.0.0.1"}); err != nil {
			return err
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Fprintln(out, listener.Addr())
		go func() { _ = http.Serve(listener, engine) }()
		_, err = io.Copy(io.Discard, in)
		return err
	}
	return fmt.Errorf("-serve %q: no such contender", name)
}
