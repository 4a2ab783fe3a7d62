package redistest

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ginlimit/ginlimit/internal/guard"
)

// launch starts the process and waits until it answers. It returns false when
// the port was taken by somebody else.
func (s *Server) launch() bool {
	s.tb.Helper()
	_ = os.Remove(s.logFile()) // or the last run's "ready" would count
	g, err := guard.Start(s.dir, s.command()...)
	if err != nil {
		s.tb.Fatalf("cannot start redis-server: %v", err)
	}
	s.guard = g
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(pollEvery) {
		log := s.log()
		if strings.Contains(log, "Address already in use") {
			return false
		}
		if saysReady(log) && answers(s.Addr()) {
			return true
		}
	}
	s.tb.Fatalf("redis-server did not come up at %s; it printed:\n%s", s.Addr(), s.log())
	return false
}

// saysReady looks at the log because a PING alone could be answered by another
// server which took the port first. The second text is a sentinel's.
func saysReady(log string) bool {
	return strings.Contains(log, "Ready to accept connections") ||
		strings.Contains(log, "Sentinel ID is")
}

// answers reports whether a PING gets any reply. An error such as NOAUTH or
// LOADING is one: the server is up, whatever it thinks of us.
func answers(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	first := make([]byte, 1)
	_, err = conn.Read(first)
	return err == nil && (first[0] == '+' || first[0] == '-')
}

func (s *Server) logFile() string { return filepath.Join(s.dir, guard.LogName) }

func (s *Server) log() string {
	text, _ := os.ReadFile(s.logFile()) // not there yet: nothing printed
	return string(text)
}
