package client

import (
	"net/netip"
	"strings"

	"github.com/gin-gonic/gin"
)

// inspect looks at where a client's address came from. Almost always it is the peer's, and nothing was forwarded.
func (f *Finder) inspect(c *gin.Context, text string, address netip.Addr) {
	e := f.engine.Load()
	if e == nil {
		e = f.learn(c, false)
	}
	if isPeer(c, text) && !isForwarded(c, e) {
		return
	}
	peer := parseAddress(c.Request.RemoteAddr)
	if !e.spoken && (address != peer || isUnreadable(text)) { // Gin has read a header that wasn't there before
		e = f.learn(c, true)
	}
	switch {
	case address != peer:
		if !f.signs.Said(10) {
			f.inspectClient(c, e, address, peer)
		}
	case !peer.IsValid():
		f.inspectNobody(c, e)
	case !f.signs.Said(4) || !f.signs.Said(9):
		f.inspectPeer(c, e, peer)
	}
}

// isUnreadable reports whether Gin returned what a platform's header says, as it stands there.
func isUnreadable(text string) bool {
	return text != "" && text != "<nil>" && !parseAddress(text).IsValid()
}

// isPeer reports whether an address is written at the beginning of the peer's, "ip:port".
func isPeer(c *gin.Context, text string) bool {
	peer := strings.TrimPrefix(c.Request.RemoteAddr, "[")
	return text != "" && len(peer) > len(text) && peer[:len(text)] == text && (peer[len(text)] == ':' || peer[len(text)] == ']')
}

// inspectNobody looks at a request that has no address at all: on a Unix socket the proxy may have named one.
func (f *Finder) inspectNobody(c *gin.Context, e *engine) {
	if name := f.namesAnother(c, e, netip.Addr{}); name != "" && isOnASocket(c) {
		f.signs.Unreadable(name, "a Unix socket")
		return
	}
	f.signs.Unknown()
}

// inspectPeer looks at a request whose peer counts as the client. A client far away that nobody trusts may forge what it
// likes.
func (f *Finder) inspectPeer(c *gin.Context, e *engine, peer netip.Addr) {
	if has(c.Request.Header, e.platform) { // which Gin believes whoever the peer is
		if item, _ := f.named(c, e, e.platform, peer); item != "" {
			f.signs.Unreadable(e.platform, peer.String())
		}
		return
	}
	if f.trusts(c, e, peer) {
		if name := f.namesAnother(c, e, peer); name != "" {
			f.signs.Unreadable(name, peer.String())
		}
		return
	}
	if isInternal(peer) {
		f.signs.Untrusted(peer)
	}
}

// inspectClient looks at a request whose client was named by a header, and whether another header disagrees.
func (f *Finder) inspectClient(c *gin.Context, e *engine, address, peer netip.Addr) {
	if has(c.Request.Header, e.platform) {
		return
	}
	for _, name := range e.reads {
		if item, other := f.named(c, e, name, peer); item != "" && !f.same(other, address) {
			f.disagree(c, e, name, item, address)
			return
		}
	}
}

// disagree is sure that the address was read from one of the engine's RemoteIPHeaders before it warns.
func (f *Finder) disagree(c *gin.Context, e *engine, name, item string, address netip.Addr) {
	isProxy := f.trusts(c, e, address)
	if isProxy && f.signs.Said(9) {
		return
	}
	if e = f.learn(c, true); has(c.Request.Header, e.platform) {
		return
	}
	if isProxy {
		f.signs.Unreadable(name, address.String())
		return
	}
	f.signs.Disagreement(name, item, address)
}

var carrierNAT = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598; clouds use it inside

// isInternal reports whether an address is none of the public internet's, so that it may be a proxy's.
func isInternal(address netip.Addr) bool {
	return address.IsPrivate() || address.IsLoopback() || address.IsLinkLocalUnicast() || carrierNAT.Contains(address)
}
