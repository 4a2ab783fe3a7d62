package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// server is one redis-server without persistence, on a port and in a directory of its own.
type server struct {
	addr  string
	dir   string
	admin *redis.Client

	command *exec.Cmd
	alive   io.WriteCloser
}

// underShell lets the server live until its standard input ends, so that it never outlives this process.
const underShell = `redis-server "$@" </dev/null & read _; kill -9 $!`

func startServer(ctx context.Context, args ...string) (*server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, fmt.Errorf("%w: install it, on Debian by apt-get install redis-server", err)
	}
	var err error
	for range 10 { // somebody else may take the port
		var s *server
		if s, err = launch(ctx, freePort(), args); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func launch(ctx context.Context, port int, args []string) (*server, error) {
	dir, err := os.MkdirTemp("", "bench-redis-")
	if err != nil {
		return nil, err
	}
	s := &server{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), dir: dir}
	s.admin = redis.NewClient(&redis.Options{Addr: s.addr})
	s.command = exec.Command("sh", append([]string{"-c", underShell, "sh",
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir,
		"--logfile", filepath.Join(dir, "redis.log")}, args...)...)
	if s.alive, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if s.isOurs(ctx) {
			return s, nil
		}
	}
	log, _ := os.ReadFile(filepath.Join(dir, "redis.log"))
	s.stop()
	return nil, fmt.Errorf("redis-server does not answer at %s: %s", s.addr, log)
}

// isOurs makes sure that this is not another server, which must not be flushed.
func (s *server) isOurs(ctx context.Context) bool {
	reply, err := s.admin.ConfigGet(ctx, "dir").Result()
	if err != nil {
		return false
	}
	ours, _ := filepath.EvalSymlinks(s.dir)
	theirs, _ := filepath.EvalSymlinks(reply["dir"])
	return ours == theirs
}

func (s *server) stop() {
	_ = s.admin.Close()
	_ = s.alive.Close()
	_ = s.command.Wait()
	_ = os.RemoveAll(s.dir)
}

// info returns fields of INFO as text, all of one moment.
func (s *server) info(ctx context.Context, fields ...string) ([]string, error) {
	info, err := s.admin.Info(ctx).Result()
	if err != nil {
		return nil, err
	}
	var values []string
	for _, field := range fields {
		_, rest, found := strings.Cut(info, "\n"+field+":")
		if !found {
			return nil, fmt.Errorf("INFO has no %s", field)
		}
		value, _, _ := strings.Cut(rest, "\r")
		values = append(values, value)
	}
	return values, nil
}

// number reads one number of INFO.
func (s *server) number(ctx context.Context, field string) (float64, error) {
	values, err := s.info(ctx, field)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(values[0], 64)
}

// used is how many commands the server has run, those in scripts too, and its CPU time in nanoseconds.
func (s *server) used(ctx context.Context) (commands, cpu float64, err error) {
	values, err := s.info(ctx, "total_commands_processed", "used_cpu_user", "used_cpu_sys")
	if err != nil {
		return 0, 0, err
	}
	commands, err1 := strconv.ParseFloat(values[0], 64)
	user, err2 := strconv.ParseFloat(values[1], 64)
	system, err3 := strconv.ParseFloat(values[2], 64)
	return commands, (user + system) * 1e9, errors.Join(err1, err2, err3)
}

// freePort is below those that the kernel gives to outgoing connections, and so is the cluster bus port 10000 above it.
func freePort() int {
	for {
		port := 10000 + rand.IntN(10000)
		if isFree(port) && isFree(port+10000) {
			return port
		}
	}
}

func isFree(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
