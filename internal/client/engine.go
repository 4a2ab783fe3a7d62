package client

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// engine is how Gin is set up to find a client's address. Gin doesn't say, so it is asked by made-up requests.
type engine struct {
	platform string   // TrustedPlatform, where it was met
	reads    []string // the RemoteIPHeaders that were met
	spoken   bool     // a request was met where Gin took the address from a header
}

// Addresses for documentation (RFC 5737, RFC 3849, RFC 9637), which are nobody's.
const (
	nobody     = "198.51.100.77"
	strangers  = nobody + ", 203.0.113.1, 192.0.2.1"
	strangers6 = nobody + ", 3fff::1, 2001:db8::1"
)

// learn asks about the known headers and those of this request, and for GL1.
func (f *Finder) learn(c *gin.Context, spoken bool) *engine {
	e := engine{spoken: spoken}
	if before := f.engine.Load(); before != nil {
		e.platform, e.reads = before.platform, slices.Clone(before.reads)
	}
	asked := c.Copy()
	for _, name := range forwardingHeaders {
		e.meet(asked, name)
	}
	for name := range c.Request.Header {
		e.meet(asked, name)
	}
	f.engine.Store(&e)
	for _, name := range e.reads {
		if askGin(asked, name, strangers) == nobody || askGin(asked, name, strangers6) == nobody {
			f.signs.TrustsEveryone()
		}
	}
	return &e
}

// meet finds out whether Gin reads a header. What it takes from a platform it doesn't trim.
func (e *engine) meet(asked *gin.Context, name string) {
	switch askGin(asked, name, " "+nobody) {
	case nobody:
		if !slices.Contains(e.reads, name) {
			e.reads = append(e.reads, name)
		}
	case " " + nobody:
		e.platform = name
	}
}

// trustedOrNot is what Gin said of an address.
type trustedOrNot struct {
	address netip.Addr
	trusted bool
}

// trusts reports whether an address is a trusted proxy's.
func (f *Finder) trusts(c *gin.Context, e *engine, address netip.Addr) bool {
	if !address.IsValid() || len(e.reads) == 0 {
		return false
	}
	bytes := address.As16()
	place := &f.peers[int(bytes[15])%len(f.peers)]
	peer := place.Load()
	if peer == nil || peer.address != address {
		peer = &trustedOrNot{address, askGin(c.Copy(), e.reads[0], nobody+", "+address.String()) == nobody}
		place.Store(peer)
	}
	return peer.trusted
}

// onASocket is where Gin believes a header whoever the peer is.
var onASocket = context.WithValue(context.Background(), http.LocalAddrContextKey, &net.UnixAddr{Net: "unix"})

// askGin returns the client's address of a made-up request with one header.
func askGin(asked *gin.Context, name, value string) string {
	asked.Request = (&http.Request{Header: http.Header{name: {value}}}).WithContext(onASocket)
	return asked.ClientIP()
}

// isOnASocket is Gin's own question.
func isOnASocket(c *gin.Context) bool {
	local, _ := c.Request.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return local != nil && strings.HasPrefix(local.Network(), "unix")
}
