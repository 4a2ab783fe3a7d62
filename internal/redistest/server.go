package redistest

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ginlimit/ginlimit/internal/guard"
)

// Server is one redis-server process on a port and in a directory of its own,
// without persistence. Its methods are safe for concurrent use, but those that
// can fail end the test and so belong on the test's goroutine.
type Server struct {
	tb    testing.TB
	dir   string
	args  []string
	port  int
	admin *redis.Client

	mu    sync.Mutex
	guard *guard.Process // nil while the server is not running
}

// Start runs a redis-server until the test ends and returns when it answers.
// The args are appended to its command line; they must not redirect its log.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return start(tb, "", args...)
}

// start is Start with a configuration file, which the server may rewrite: a
// sentinel needs that, and with it a Restart keeps the role a sentinel assigned.
func start(tb testing.TB, config string, args ...string) *Server {
	tb.Helper()
	Require(tb)
	s := &Server{tb: tb, dir: tb.TempDir(), args: args}
	if err := os.WriteFile(s.configFile(), []byte(config), 0o600); err != nil {
		tb.Fatalf("cannot write the configuration of redis-server: %v", err)
	}
	tb.Cleanup(s.Kill)
	for range 10 {
		s.port = freePort(tb)
		if s.launch() {
			s.admin = s.Client()
			return s
		}
		s.Kill()
	}
	tb.Fatalf("redis-server found ten ports taken that were free a moment before")
	return nil
}

// Addr returns the host:port the server listens on, also while it is down.
func (s *Server) Addr() string { return loopback(s.port) }

// Pause stops the process with SIGSTOP: connections are still accepted by the
// kernel and stay open, but nothing is answered until Resume.
func (s *Server) Pause() { s.signal("pause", sendStop) }

// Resume lets a paused process continue.
func (s *Server) Resume() { s.signal("resume", sendContinue) }

func (s *Server) signal(what string, send func(pid int) error) {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard == nil {
		s.tb.Fatalf("cannot %s redis-server %s: it is not running", what, s.Addr())
	}
	if err := send(s.guard.PID()); err != nil {
		s.tb.Fatalf("cannot %s redis-server %s: %v", what, s.Addr(), err)
	}
}

// Kill ends the process with SIGKILL and waits until it is gone. Killing a
// server that is not running does nothing.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

func (s *Server) kill() {
	if s.guard != nil {
		s.guard.Kill()
		s.guard = nil
	}
}

// Restart kills the server if it runs and starts it again, empty, on the same
// port. A cluster node or a sentinel keeps its identity.
func (s *Server) Restart() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	if !s.launch() {
		s.tb.Fatalf("redis-server cannot be restarted: somebody else took its address %s", s.Addr())
	}
}

func (s *Server) configFile() string { return filepath.Join(s.dir, "redis.conf") }

func (s *Server) command() []string {
	return append([]string{
		"redis-server", s.configFile(), "--port", strconv.Itoa(s.port),
		"--bind", "127.0.0.1", "--protected-mode", "no",
		"--save", "", "--appendonly", "no",
	}, s.args...)
}
