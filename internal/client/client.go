// Package client says who a request's client is by its address: what Gin makes of the peer and of forwarding headers, and
// what defeats that.
package client

import (
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

// Signs are told what lets everyone through, or takes everyone for one client. Each is a warning's code.
type Signs interface {
	Said(code int) bool // it needn't be looked for any more
	TrustsEveryone()
	Unknown()
	Untrusted(peer netip.Addr)
	Unreadable(header, proxy string)
	Disagreement(header, named string, counted netip.Addr)
}

// A Finder finds the clients of one limiter.
type Finder struct {
	signs      Signs
	ipv6Prefix int
	engine     atomic.Pointer[engine]           // nil: not asked yet
	peers      [64]atomic.Pointer[trustedOrNot] // those that were asked about last, so that a proxy is asked about once
}

// NewFinder returns a finder that takes so many bits of an IPv6 address for one client.
func NewFinder(ipv6Prefix int, signs Signs) *Finder {
	return &Finder{ipv6Prefix: ipv6Prefix, signs: signs}
}

// Network is what of a request's address is one client: Gin's, or the peer's where Gin returns something that is no address
// at all. It is zero where there is none.
func (f *Finder) Network(c *gin.Context) netip.Prefix {
	text := c.ClientIP()
	address := parseAddress(text)
	if !address.IsValid() {
		address = parseAddress(c.Request.RemoteAddr)
	}
	f.inspect(c, text, address)
	return network(address, f.ipv6Prefix)
}

// Parse reads an address or a prefix, and returns what of it is one client.
func (f *Finder) Parse(text string) netip.Prefix {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return network(prefix.Addr(), f.ipv6Prefix)
	}
	return network(parseAddress(text), f.ipv6Prefix)
}

// parseAddress reads an address in any spelling, with or without a port. It returns the zero Addr for anything else.
func parseAddress(text string) netip.Addr {
	text = strings.TrimSpace(text)
	if len(text) < len("::") {
		return netip.Addr{}
	}
	var address netip.Addr
	switch inBrackets := text[0] == '['; {
	case inBrackets && text[len(text)-1] == ']':
		address, _ = netip.ParseAddr(text[1 : len(text)-1])
	case inBrackets || strings.Count(text, ":") == 1:
		withPort, _ := netip.ParseAddrPort(text)
		address = withPort.Addr()
	default:
		address, _ = netip.ParseAddr(text)
	}
	return address.Unmap().WithZone("")
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052
	siit      = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 7915
	sixToFour = netip.MustParsePrefix("2002::/16")       // RFC 3056
)

// network is what of an address is one client: an IPv4 address, also where a translator made an IPv6 one of it, or the
// prefix of an IPv6 address, of which a 6to4 site has a whole /48. It is zero where the address is.
func network(address netip.Addr, ipv6Prefix int) netip.Prefix {
	if nat64.Contains(address) || siit.Contains(address) {
		bytes := address.As16()
		address = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	if address.Is4() {
		return netip.PrefixFrom(address, address.BitLen())
	}
	if sixToFour.Contains(address) {
		ipv6Prefix = min(ipv6Prefix, 48)
	}
	client, _ := address.Prefix(ipv6Prefix)
	return client
}
