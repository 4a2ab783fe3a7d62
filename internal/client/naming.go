package client

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/gin-gonic/gin"
)

// forwardingHeaders are those in which proxies and platforms name a client.
var forwardingHeaders = [...]string{
	"X-Forwarded-For", "X-Real-Ip", "Forwarded", "Cf-Connecting-Ip", "True-Client-Ip", "Fly-Client-Ip", "X-Azure-Clientip",
}

// namesAnother returns the first forwarding header that names somebody else than the peer and the trusted proxies.
func (f *Finder) namesAnother(c *gin.Context, e *engine, peer netip.Addr) string {
	for _, name := range forwardingHeaders {
		if item, _ := f.named(c, e, name, peer); item != "" {
			return name
		}
	}
	if item, _ := f.named(c, e, e.platform, peer); item != "" {
		return e.platform
	}
	return ""
}

// farthest is how many proxies in a row are looked at, so that nobody can make a long list cost much.
const farthest = 16

// named returns the last in a header that is neither the peer nor a trusted proxy: as it stands there, "" where there is
// nobody, and the address, zero where it can't be read. Gin does the same, but stops at what is no bare address.
func (f *Finder) named(c *gin.Context, e *engine, header string, peer netip.Addr) (item string, _ netip.Addr) {
	lines, proxies := c.Request.Header[header], 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest := lines[i]; rest != "" && proxies < farthest; proxies++ {
			comma := strings.LastIndexByte(rest, ',')
			rest, item = rest[:max(comma, 0)], strings.TrimSpace(rest[comma+1:])
			if header == "Forwarded" {
				item = forParameter(item)
			}
			address := parseAddress(item)
			if item != "" && !f.same(address, peer) && !f.trusts(c, e, address) {
				return item, address
			}
		}
	}
	return "", netip.Addr{}
}

// same reports whether two addresses are one client's; what is no address is nobody's.
func (f *Finder) same(a, b netip.Addr) bool {
	return a.IsValid() && network(a, f.ipv6Prefix) == network(b, f.ipv6Prefix)
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
