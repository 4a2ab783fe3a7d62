package redistest

import (
	"net"
	"sync"
	"testing"
)

// Proxy is a TCP proxy between a client and a server that can be told to
// misbehave. The faults (see proxy_faults.go) act on present and on new
// connections, one fault at a time, until the next one or Pass. Switch a fault
// on after the client connected if its handshake shall not be hit.
//
// The server is dialled with the first request of a connection, so faults that
// do not ask the server work without one.
type Proxy struct {
	tb     testing.TB
	addr   string
	target string
	done   sync.WaitGroup

	mu       sync.Mutex
	mode     mode
	listener net.Listener // nil while connections are refused
	links    map[*link]bool
}

// NewProxy runs a proxy to the target address until the test ends.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	p := &Proxy{tb: tb, addr: loopback(freePort(tb)), target: target, links: map[*link]bool{}}
	tb.Cleanup(func() {
		p.Refuse()
		p.done.Wait()
	})
	p.Pass()
	return p
}

// Addr returns the host:port the proxy listens on.
func (p *Proxy) Addr() string { return p.addr }

// Connections returns the number of client connections that are open now.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// CutAll closes the present connections once.
func (p *Proxy) CutAll() { p.cut(func(*link) bool { return true }) }

// cut closes the links that are chosen.
func (p *Proxy) cut(chosen func(*link) bool) {
	p.mu.Lock()
	var victims []*link
	for l := range p.links {
		if chosen(l) {
			victims = append(victims, l)
		}
	}
	p.mu.Unlock()
	for _, l := range victims {
		l.close()
	}
}

// set makes m the present mode, and listens unless the proxy does so already.
// Links whose byte stream an earlier fault spoiled are of no more use then.
func (p *Proxy) set(m mode) {
	p.tb.Helper()
	p.mu.Lock()
	p.mode = m
	err := p.listen()
	p.mu.Unlock()
	if err != nil {
		p.tb.Errorf("the proxy cannot listen on %s: %v", p.addr, err)
	}
	if !m.spoils {
		p.cut(func(l *link) bool { return l.spoiled.Load() })
	}
}

func (p *Proxy) current() mode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}

func (p *Proxy) listen() error {
	if p.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.listener = listener
	p.done.Go(func() { p.accept(listener) })
	return nil
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		p.connect(listener, conn)
	}
}

// connect makes a link of an accepted connection, unless the listener it came
// from was closed in the meantime.
func (p *Proxy) connect(from net.Listener, conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != from {
		_ = conn.Close()
		return
	}
	l := &link{proxy: p, client: conn, closed: make(chan struct{})}
	p.links[l] = true
	p.done.Go(l.pumpRequests)
}

func (p *Proxy) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}
