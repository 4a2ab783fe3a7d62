package ginlimit

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// Scope is whose requests share marks.
type Scope int

const (
	PathAndIP Scope = iota // each client has marks of its own on each route
	PathOnly               // everyone shares the route's marks
	IPOnly                 // a client shares its marks over all routes
)

// String returns "PathAndIP", "PathOnly" or "IPOnly".
func (s Scope) String() string {
	return name(int(s), "PathAndIP", "PathOnly", "IPOnly")
}

// keys builds the key of a request's marks: prefix, policy, route and client with a colon between. Under one prefix it
// is never ambiguous: a policy has no colon, and the client begins at the last ":ip=", ":id=", ":idh=" or ":*", which
// no client has inside.
type keys struct {
	head       string // prefix and policy, with their colons
	scope      Scope
	identity   func(*gin.Context) string
	ipv6Prefix int
	warnings   *warnings
}

func newKeys(cfg config, w *warnings) *keys {
	return &keys{
		head:  cfg.prefix + ":" + policy(cfg.limit, cfg.interval) + ":",
		scope: cfg.scope, identity: cfg.identity, ipv6Prefix: cfg.ipv6Prefix, warnings: w,
	}
}

func (k *keys) of(c *gin.Context) string {
	var short [128]byte // on the stack
	key := append(short[:0], k.head...)
	key = append(key, k.route(c)...)
	key = append(key, ':')
	return string(k.appendClient(key, c))
}

// policy is the limit and the interval, in the largest unit that divides it: 1/10s, 20/1h, 3/1900ms.
func policy(limit int, interval time.Duration) string {
	amount, unit := int64(interval/time.Millisecond), "ms"
	for _, larger := range []struct {
		unit string
		size time.Duration
	}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}} {
		if interval%larger.size == 0 {
			amount, unit = int64(interval/larger.size), larger.unit
		}
	}
	return strconv.Itoa(limit) + "/" + strconv.FormatInt(amount, 10) + unit
}

// route is the route's template, so that a route is one however many parameters, slashes and encodings there are.
func (k *keys) route(c *gin.Context) string {
	if k.scope == IPOnly {
		return "*"
	}
	if path := c.FullPath(); path != "" {
		return path
	}
	return "unmatched"
}

func (k *keys) appendClient(key []byte, c *gin.Context) []byte {
	if k.scope == PathOnly {
		return append(key, '*')
	}
	if k.identity != nil {
		if identity := k.identity(c); identity != "" {
			return appendIdentity(key, identity)
		}
	}
	return k.appendAddress(append(key, "ip="...), c)
}

const longestIdentity = 64

// appendIdentity writes an identity in printable ASCII without a colon: percent-encoded (RFC 3986 §2.1) where it needs to
// be, hashed where that is long.
func appendIdentity(key []byte, identity string) []byte {
	start := len(key)
	key = append(key, "id="...)
	for i := 0; i < len(identity) && len(key)-start <= len("id=")+longestIdentity; i++ {
		if b := identity[i]; b > ' ' && b < 0x7f && b != ':' && b != '%' {
			key = append(key, b)
		} else {
			const digits = "0123456789ABCDEF"
			key = append(key, '%', digits[b>>4], digits[b&15])
		}
	}
	if len(key)-start <= len("id=")+longestIdentity {
		return key
	}
	sum := sha256.Sum256([]byte(identity))
	return hex.AppendEncode(append(key[:start], "idh="...), sum[:])
}

func (k *keys) appendAddress(key []byte, c *gin.Context) []byte {
	address := k.address(c)
	switch {
	case !address.IsValid():
		return append(key, "unknown"...)
	case address.Is6():
		prefix, _ := address.Prefix(k.ipv6Prefix)
		return prefix.AppendTo(key)
	}
	return address.AppendTo(key)
}

// address is the client's as Gin sees it, or the peer's where Gin returns something that is no address at all.
func (k *keys) address(c *gin.Context) netip.Addr {
	address := parseAddress(c.ClientIP())
	if !address.IsValid() {
		address = parseAddress(c.Request.RemoteAddr)
	}
	k.warnings.inspect(c, address)
	return address
}

// parseAddress reads an address in any spelling, with or without a port. It returns the zero Addr for anything else.
func parseAddress(text string) netip.Addr {
	text = strings.TrimSpace(text)
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		withPort, _ := netip.ParseAddrPort(text)
		address = withPort.Addr()
	}
	return address.Unmap().WithZone("")
}
