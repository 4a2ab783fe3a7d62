package redistest

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is one client connection and its connection to the server.
type link struct {
	proxy  *Proxy
	client net.Conn
	closed chan struct{}

	// spoiled says that the client has not received what the server sent.
	spoiled atomic.Bool

	mu     sync.Mutex
	server net.Conn // nil until the first request is sent
}

// pumpRequests hands each chunk of requests to the present fault.
func (l *link) pumpRequests() {
	defer l.close()
	buf := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buf)
		if err != nil {
			return
		}
		l.proxy.current().request(l, buf[:n])
	}
}

// pumpReplies hands each chunk of replies to the present fault.
func (l *link) pumpReplies(server net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			l.spoil()
			return
		}
		l.proxy.current().reply(l, buf[:n])
	}
}

func (l *link) toServer(chunk []byte) {
	if !l.connected() {
		l.spoil()
		return
	}
	if _, err := l.server.Write(chunk); err != nil {
		l.spoil()
	}
}

func (l *link) toClient(chunk []byte) {
	if _, err := l.client.Write(chunk); err != nil {
		l.close()
	}
}

// connected dials the server unless that was done before.
func (l *link) connected() bool {
	if l.server != nil { // only this goroutine sets it
		return true
	}
	server, err := net.DialTimeout("tcp", l.proxy.target, 2*time.Second)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosed() {
		_ = server.Close()
		return false
	}
	l.server = server
	l.proxy.done.Go(func() { l.pumpReplies(server) })
	return true
}

// spoil marks the byte stream as broken. That ends the link, unless the present
// fault is one that keeps such links open. Mark first, then look: Proxy.set
// changes the mode first and then looks at the marks, so one of both closes it.
func (l *link) spoil() {
	l.spoiled.Store(true)
	if !l.proxy.current().spoils {
		l.close()
	}
}

func (l *link) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// close ends both connections.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosed() {
		return
	}
	close(l.closed)
	_ = l.client.Close()
	if l.server != nil {
		_ = l.server.Close()
	}
	l.proxy.forget(l)
}

// reset ends the client's connection with a reset instead of an orderly close.
func (l *link) reset() {
	_ = l.client.(*net.TCPConn).SetLinger(0)
	l.close()
}
