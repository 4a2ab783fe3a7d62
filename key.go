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
	forwarding forwarding
}

func newKeys(cfg config, w *warnings) *keys {
	return &keys{
		head:  cfg.prefix + ":" + policy(cfg.limit, cfg.interval) + ":",
		scope: cfg.scope, identity: cfg.identity, ipv6Prefix: cfg.ipv6Prefix,
		forwarding: forwarding{warnings: w, ipv6Prefix: cfg.ipv6Prefix},
	}
}

func (k *keys) of(c *gin.Context) string {
	var short [128]byte // on the stack
	key := append(short[:0], k.head...)
	key = appendRoute(key, k.route(c))
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

// appendRoute percent-encodes braces, between which Redis Cluster would look for the key's slot: all of a route's clients
// would be on one node.
func appendRoute(key []byte, route string) []byte {
	if strings.IndexByte(route, '{') < 0 && strings.IndexByte(route, '%') < 0 { // no slot is named by '}' alone
		return append(key, route...)
	}
	for _, b := range []byte(route) {
		if b == '{' || b == '}' || b == '%' {
			key = appendEncoded(key, b)
		} else {
			key = append(key, b)
		}
	}
	return key
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
// be, hashed where that is long. Its braces stay: who wants some clients on one node of a cluster can say so.
func appendIdentity(key []byte, identity string) []byte {
	start := len(key)
	key = append(key, "id="...)
	for i := 0; i < len(identity) && len(key)-start <= len("id=")+longestIdentity; i++ {
		switch b := identity[i]; {
		case b <= ' ', b >= 0x7f, b == ':', b == '%':
			key = appendEncoded(key, b)
		default:
			key = append(key, b)
		}
	}
	if len(key)-start <= len("id=")+longestIdentity {
		return key
	}
	sum := sha256.Sum256([]byte(identity))
	return hex.AppendEncode(append(key[:start], "idh="...), sum[:])
}

func appendEncoded(key []byte, b byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(key, '%', digits[b>>4], digits[b&15])
}

func (k *keys) appendAddress(key []byte, c *gin.Context) []byte {
	client := clientNetwork(k.address(c), k.ipv6Prefix)
	switch {
	case !client.IsValid():
		return append(key, "unknown"...)
	case client.Addr().Is4():
		return client.Addr().AppendTo(key)
	}
	return client.AppendTo(key)
}

// address is the client's as Gin sees it, or the peer's where Gin returns something that is no address at all.
func (k *keys) address(c *gin.Context) netip.Addr {
	text := c.ClientIP()
	address := parseAddress(text)
	if !address.IsValid() {
		address = parseAddress(c.Request.RemoteAddr)
	}
	k.forwarding.inspect(c, text, address)
	return address
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

// clientNetwork is what of an address is one client: an IPv4 address, also where a translator made an IPv6 one of it, or the
// prefix of an IPv6 address, of which a 6to4 site has a whole /48. It is zero where the address is.
func clientNetwork(address netip.Addr, ipv6Prefix int) netip.Prefix {
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
