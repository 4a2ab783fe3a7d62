package ginlimit

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginlimit/ginlimit/internal/client"
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
	head     string // prefix and policy, with their colons
	scope    Scope
	identity func(*gin.Context) string
	clients  *client.Finder
}

func newKeys(cfg config, w *warnings) *keys {
	return &keys{
		head:  cfg.prefix + ":" + policy(cfg.limitText(), cfg.interval) + ":",
		scope: cfg.scope, identity: cfg.identity, clients: client.NewFinder(cfg.ipv6Prefix, w),
	}
}

func (k *keys) of(c *gin.Context) string {
	var short [128]byte // on the stack
	key := append(short[:0], k.head...)
	key = appendRoute(key, k.route(c))
	key = append(key, ':')
	return string(k.appendClient(key, c))
}

// policy is the limit and the interval, in the largest unit that divides it: 1/10s, 20/1h, 3/1900ms, or */1m where each
// request has its own limit.
func policy(limit string, interval time.Duration) string {
	amount, unit := int64(interval/time.Millisecond), "ms"
	for _, larger := range []struct {
		unit string
		size time.Duration
	}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}} {
		if interval%larger.size == 0 {
			amount, unit = int64(interval/larger.size), larger.unit
		}
	}
	return limit + "/" + strconv.FormatInt(amount, 10) + unit
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
	return appendNetwork(append(key, "ip="...), k.clients.Network(c))
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

func appendNetwork(key []byte, client netip.Prefix) []byte {
	switch {
	case !client.IsValid():
		return append(key, "unknown"...)
	case client.Addr().Is4():
		return client.Addr().AppendTo(key)
	}
	return client.AppendTo(key)
}

// limitText is the limit in keys.
func (cfg *config) limitText() string {
	if cfg.limitFunc != nil {
		return "*"
	}
	return strconv.Itoa(cfg.limit)
}

// own says whether a text is a key that this limiter could have made. It may be what a person typed.
func (k *keys) own(key string) bool {
	rest, found := strings.CutPrefix(key, k.head)
	if !found {
		return false
	}
	at := max(strings.LastIndex(rest, ":ip="), strings.LastIndex(rest, ":id="), strings.LastIndex(rest, ":idh="),
		strings.LastIndex(rest, ":*"))
	return at > 0 && k.isRoute(rest[:at]) && k.isClient(rest[at+1:])
}

func (k *keys) isRoute(route string) bool {
	if k.scope == IPOnly {
		return route == "*"
	}
	return route == "unmatched" || route[0] == '/'
}

// isClient takes only what the limiter itself would write.
func (k *keys) isClient(client string) bool {
	if k.scope == PathOnly {
		return client == "*"
	}
	kind, value, _ := strings.Cut(client, "=")
	switch kind {
	case "ip":
		return value == "unknown" || string(appendNetwork(nil, k.clients.Parse(value))) == value
	case "id":
		identity, err := url.PathUnescape(value)
		return k.identity != nil && err == nil && value != "" && string(appendIdentity(nil, identity)) == client
	case "idh":
		sum, err := hex.DecodeString(value)
		return k.identity != nil && err == nil && len(sum) == 32 && strings.ToLower(value) == value
	}
	return false
}

var seed = maphash.MakeSeed()

// hash is a key's in tables of this process, never 0.
func hash(key string) uint64 { return max(1, maphash.String(seed, key)) }
