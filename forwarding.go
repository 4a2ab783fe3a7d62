package ginlimit

import (
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

// forwardingHeaders are those in which proxies and platforms name a client.
var forwardingHeaders = [...]string{
	"X-Forwarded-For", "X-Real-Ip", "Forwarded", "Cf-Connecting-Ip", "True-Client-Ip", "Fly-Client-Ip", "X-Azure-Clientip",
}

// forwarding compares what Gin makes of forwarding headers with what they say, and warns where a limiter would let
// everyone through, or take everyone for one client.
type forwarding struct {
	warnings   *warnings
	ipv6Prefix int
	engine     atomic.Pointer[engine]           // nil: not asked yet
	peers      [64]atomic.Pointer[trustedOrNot] // those that were asked about last, so that a proxy is asked about once
}

// inspect looks at where a client's address came from. Almost always it is the peer's, and nothing was forwarded.
func (f *forwarding) inspect(c *gin.Context, text string, address netip.Addr) {
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
		if !f.warnings.said[10].Load() {
			f.inspectClient(c, e, address, peer)
		}
	case !peer.IsValid():
		f.inspectNobody(c, e)
	case !f.warnings.said[4].Load() || !f.warnings.said[9].Load():
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
func (f *forwarding) inspectNobody(c *gin.Context, e *engine) {
	if name := f.namesAnother(c, e, netip.Addr{}); name != "" && isOnASocket(c) {
		f.warnings.unreadable(name, "a Unix socket")
		return
	}
	f.warnings.unknown()
}

// inspectPeer looks at a request whose peer counts as the client. A client far away that nobody trusts may forge what it
// likes.
func (f *forwarding) inspectPeer(c *gin.Context, e *engine, peer netip.Addr) {
	trusted := f.trusts(c, e, peer)
	if trusted || e.platform != "" {
		if name := f.namesAnother(c, e, peer); name != "" && (trusted || name == e.platform) {
			f.warnings.unreadable(name, peer.String())
			return
		}
	}
	if !trusted && isInternal(peer) {
		f.warnings.untrusted(peer)
	}
}

// inspectClient looks at a request whose client was named by a header, and whether another header disagrees.
func (f *forwarding) inspectClient(c *gin.Context, e *engine, address, peer netip.Addr) {
	if has(c.Request.Header, e.platform) {
		return
	}
	for _, name := range e.reads {
		named := f.named(c, e, name, peer)
		if named.item != "" && !f.same(named.address, address) {
			f.disagree(c, name, named.item, address)
			return
		}
	}
}

// disagree is sure that the address was read from one of the engine's RemoteIPHeaders before it warns.
func (f *forwarding) disagree(c *gin.Context, name, item string, address netip.Addr) {
	e := f.learn(c, true)
	if has(c.Request.Header, e.platform) {
		return
	}
	if f.trusts(c, e, address) {
		f.warnings.unreadable(name, address.String())
		return
	}
	f.warnings.disagreement(name, item, address)
}

// namesAnother returns the first forwarding header that names somebody else than the peer and the trusted proxies.
func (f *forwarding) namesAnother(c *gin.Context, e *engine, peer netip.Addr) string {
	for _, name := range forwardingHeaders {
		if f.named(c, e, name, peer).item != "" {
			return name
		}
	}
	if e.platform != "" && f.named(c, e, e.platform, peer).item != "" {
		return e.platform
	}
	return ""
}

// named is whom a forwarding header names.
type named struct {
	item    string     // as it stands there, "" where there is nobody
	address netip.Addr // zero where it can't be read
}

// named returns the last in a header that is neither the peer nor a trusted proxy. Gin does the same, but stops at what
// is no bare address.
func (f *forwarding) named(c *gin.Context, e *engine, header string, peer netip.Addr) named {
	lines := c.Request.Header[header]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, item := lines[i], ""; rest != ""; {
			comma := strings.LastIndexByte(rest, ',')
			rest, item = rest[:max(comma, 0)], strings.TrimSpace(rest[comma+1:])
			if header == "Forwarded" {
				item = forParameter(item)
			}
			if item == "" {
				continue
			}
			address := parseAddress(item)
			if address.IsValid() && (f.same(address, peer) || f.trusts(c, e, address)) {
				continue
			}
			return named{item, address}
		}
	}
	return named{}
}

func (f *forwarding) same(a, b netip.Addr) bool {
	return clientNetwork(a, f.ipv6Prefix) == clientNetwork(b, f.ipv6Prefix)
}

// forParameter returns the node in an element of Forwarded (RFC 7239 §4), "" where it has none.
func forParameter(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, node, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(node, `" `)
		}
	}
	return ""
}

func isForwarded(c *gin.Context, e *engine) bool {
	header := c.Request.Header
	for _, name := range forwardingHeaders {
		if lines := header[name]; len(lines) > 0 && (lines[0] != "" || len(lines) > 1) {
			return true
		}
	}
	return e.platform != "" && has(header, e.platform)
}

// has reports whether Gin would find anything under a platform's header.
func has(header http.Header, platform string) bool {
	values := header[platform]
	return len(values) > 0 && values[0] != ""
}

var carrierNAT = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598; clouds use it inside

// isInternal reports whether an address is none of the public internet's, so that it may be a proxy's.
func isInternal(address netip.Addr) bool {
	return address.IsPrivate() || address.IsLoopback() || address.IsLinkLocalUnicast() || carrierNAT.Contains(address)
}
