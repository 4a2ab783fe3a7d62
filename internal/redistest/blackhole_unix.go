//go:build unix

package redistest

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// BlackHoleListener returns an address at which connect itself hangs, as when a
// firewall drops packets. It is a listener that accepts nothing and whose queue
// is full: the kernel then ignores further connection attempts. Linux does that;
// on a system that does not, the test is skipped.
func BlackHoleListener(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("cannot listen: %v", err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	if err := shrinkQueue(l.(*net.TCPListener)); err != nil {
		tb.Fatalf("cannot shrink the queue of a listener: %v", err)
	}

	addr := l.Addr().String()
	for range 16 {
		conn, err := net.DialTimeout("tcp", addr, 250*time.Millisecond)
		if os.IsTimeout(err) {
			return addr
		}
		if err != nil {
			break
		}
		tb.Cleanup(func() { _ = conn.Close() }) // it holds a place in the queue
	}
	tb.Skip("this system answers connection attempts to a listener whose queue is full")
	return ""
}

// shrinkQueue listens again on the same socket, which only sets the queue length.
func shrinkQueue(l *net.TCPListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var listenErr error
	err = raw.Control(func(fd uintptr) { listenErr = syscall.Listen(int(fd), 0) })
	return errors.Join(err, listenErr)
}
