package redistest

import (
	"sync/atomic"
	"time"
)

// mode is what the proxy does with the chunks it reads.
type mode struct {
	request func(l *link, chunk []byte)
	reply   func(l *link, chunk []byte)

	// spoils is set for faults after which a connection cannot be used any more.
	// It stays open while such a fault lasts and is closed when it ends.
	spoils bool
}

func swallow(l *link, _ []byte) { l.spoil() }

// Pass ends any fault. Connections whose byte stream was spoiled are closed.
func (p *Proxy) Pass() {
	p.tb.Helper()
	p.set(mode{request: (*link).toServer, reply: (*link).toClient})
}

// Delay holds each chunk of replies back for d.
func (p *Proxy) Delay(d time.Duration) {
	p.tb.Helper()
	p.set(mode{request: (*link).toServer, reply: func(l *link, chunk []byte) {
		select {
		case <-time.After(d):
			l.toClient(chunk)
		case <-l.closed:
		}
	}})
}

// BlackHole swallows everything in both directions. Connections are accepted and
// stay open, but silent.
func (p *Proxy) BlackHole() {
	p.tb.Helper()
	p.set(mode{request: swallow, reply: swallow, spoils: true})
}

// CutReplies lets requests reach the server and closes the connection when the
// reply arrives: the command ran, but its client cannot know.
func (p *Proxy) CutReplies() {
	p.tb.Helper()
	p.set(mode{request: (*link).toServer, reply: func(l *link, _ []byte) { l.close() }})
}

// CutNextReply is CutReplies for exactly one reply, of whichever connection gets
// the first; then it is as Pass.
func (p *Proxy) CutNextReply() {
	p.tb.Helper()
	var done atomic.Bool
	p.set(mode{request: (*link).toServer, reply: func(l *link, chunk []byte) {
		if done.CompareAndSwap(false, true) {
			l.close()
			return
		}
		l.toClient(chunk)
	}})
}

// CutNextInTheMiddle forwards half of a reply and closes the connection, for exactly one chunk that is longer than so many
// bytes, as those of pipelines are; then it is as Pass.
func (p *Proxy) CutNextInTheMiddle(longer int) {
	p.tb.Helper()
	var done atomic.Bool
	p.set(mode{request: (*link).toServer, reply: func(l *link, chunk []byte) {
		if len(chunk) > longer && done.CompareAndSwap(false, true) {
			l.toClient(chunk[:len(chunk)/2])
			l.close()
			return
		}
		l.toClient(chunk)
	}})
}

// DropReplies lets requests reach the server and swallows the replies. The
// connections stay open.
func (p *Proxy) DropReplies() {
	p.tb.Helper()
	p.set(mode{request: (*link).toServer, reply: swallow, spoils: true})
}

// ResetMidReply forwards half of a reply and then resets the connection.
func (p *Proxy) ResetMidReply() {
	p.tb.Helper()
	p.set(mode{request: (*link).toServer, reply: func(l *link, chunk []byte) {
		l.toClient(chunk[:(len(chunk)+1)/2])
		l.reset()
	}})
}

// Garble replaces each chunk of replies with bytes that are not Redis protocol.
func (p *Proxy) Garble() {
	p.tb.Helper()
	p.set(mode{request: (*link).toServer, spoils: true, reply: func(l *link, _ []byte) {
		l.spoil()
		l.toClient([]byte("$nonsense\r\n"))
	}})
}

// Answer sends raw for each chunk of requests and does not ask the server. A
// chunk is what the client wrote at once: one command or one pipeline.
func (p *Proxy) Answer(raw string) {
	p.tb.Helper()
	p.set(mode{reply: swallow, spoils: true, request: func(l *link, _ []byte) {
		l.spoil()
		l.toClient([]byte(raw))
	}})
}

// Refuse closes all connections and refuses new ones. Any other fault, and Pass,
// accepts them again on the same port.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	listener := p.listener
	p.listener = nil
	p.mu.Unlock()
	if listener != nil {
		_ = listener.Close()
	}
	p.CutAll()
}
