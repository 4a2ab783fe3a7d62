package test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
)

// keyOf returns the key under which a limiter with these options would look for a request's marks.
func keyOf(t testing.TB, engine *gin.Engine, prepare func(*http.Request), opts ...Option) string {
	var key string
	opts = append([]Option{Quiet, WithInterval(10 * time.Second), WithObserver(func(_ *gin.Context, d Decision) { key = d.Key })}, opts...)
	engine.GET("/pay", New(opts...), OK)
	req := httptest.NewRequest("GET", "/pay", nil)
	req.RemoteAddr = Alice
	prepare(req)
	engine.ServeHTTP(httptest.NewRecorder(), req)
	require.NotEmpty(t, key)
	return key
}

func clientOf(key string) string { return strings.TrimPrefix(key, "ginlimit:1/10s:/pay:") }

func TestKey(t *testing.T) {
	nothing := func(*http.Request) {}
	assert.Equal(t, "ginlimit:1/10s:/pay:ip=203.0.113.7", keyOf(t, Router(), nothing))
	assert.Equal(t, "ginlimit:1/10s:/pay:*", keyOf(t, Router(), nothing, WithScope(PathOnly)))
	assert.Equal(t, "ginlimit:1/10s:*:ip=203.0.113.7", keyOf(t, Router(), nothing, WithScope(IPOnly)))
	assert.Equal(t, "shop:5/10s:/pay:ip=203.0.113.7", keyOf(t, Router(), nothing, WithPrefix("shop"), WithLimit(5)))
}

func TestKeyOfAnUnmatchedRoute(t *testing.T) {
	var key string
	r := Router()
	r.NoRoute(New(Quiet, WithObserver(func(_ *gin.Context, d Decision) { key = d.Key })))
	Request(r, "GET", "/nowhere", Alice)
	assert.Equal(t, "ginlimit:1/3s:unmatched:ip=203.0.113.7", key)
}

// A key's slot is named by what is between its first braces (Redis Cluster specification, "Hash tags").
func TestNoBracesOfARouteInAKey(t *testing.T) {
	for route, want := range map[string]string{
		"/users/{id}":     "/users/%7Bid%7D",
		"/users/%7Bid%7D": "/users/%257Bid%257D",
		"/a}b":            "/a}b",
		"/50%/off":        "/50%25/off",
		"/users/:id":      "/users/:id",
	} {
		var key string
		r := Router()
		r.GET(route, New(Quiet, WithObserver(func(_ *gin.Context, d Decision) { key = d.Key })), OK)
		Request(r, "GET", strings.ReplaceAll(route, "%", "%25"), Alice)
		assert.Equal(t, "ginlimit:1/3s:"+want+":ip=203.0.113.7", key)
	}
}

func TestAddressIsCanonical(t *testing.T) {
	for seen, want := range map[string]string{
		"203.0.113.7":                    "ip=203.0.113.7",
		" 203.0.113.7 ":                  "ip=203.0.113.7",
		"203.0.113.7:99":                 "ip=203.0.113.7",
		"::ffff:203.0.113.7":             "ip=203.0.113.7",
		"::FFFF:cb00:7107":               "ip=203.0.113.7",
		"0:0:0:0:0:ffff:203.0.113.7":     "ip=203.0.113.7",
		"[::ffff:203.0.113.7]:99":        "ip=203.0.113.7",
		"2001:db8::1":                    "ip=2001:db8::/64",
		"2001:0DB8:0:0:1:2:3:4":          "ip=2001:db8::/64",
		"[2001:db8::1]":                  "ip=2001:db8::/64",
		"[2001:db8::1]:99":               "ip=2001:db8::/64",
		"fe80::1%eth0":                   "ip=fe80::/64",
		"64:ff9b::203.0.113.7":           "ip=203.0.113.7",
		"64:ff9b::cb00:7108":             "ip=203.0.113.8",
		"::ffff:0:203.0.113.7":           "ip=203.0.113.7",
		"64:ff9b:0:0:1::203.0.113.7":     "ip=64:ff9b::/64",   // none of the translators' /96
		"64:ff9b:1::203.0.113.7":         "ip=64:ff9b:1::/64", // RFC 8215 leaves open where the IPv4 address is
		"2002:cb00:7107:1::1":            "ip=2002:cb00:7107::/48",
		"2002:cb00:7107:9::1":            "ip=2002:cb00:7107::/48",
		"2002:cb00:7108:1::1":            "ip=2002:cb00:7108::/48",
		"::203.0.113.7":                  "ip=::/64", // IPv4-compatible, deprecated by RFC 4291: nobody's
		"::1":                            "ip=::/64",
		"any text":                       "ip=198.51.100.9",
		"<nil>":                          "ip=198.51.100.9",
		strings.Repeat("1", 100_000):     "ip=198.51.100.9",
		"203.0.113.7\x00:ip=203.0.113.8": "ip=198.51.100.9",
	} {
		engine := Router()
		engine.TrustedPlatform = "CF-Connecting-IP" // Gin returns any text in it
		key := keyOf(t, engine, func(req *http.Request) {
			req.RemoteAddr = "198.51.100.9:1000"
			req.Header["Cf-Connecting-Ip"] = []string{seen}
		})
		assert.Equal(t, want, clientOf(key), "%.60q", seen)
	}
}

func TestPeerAddressIsCanonical(t *testing.T) {
	for peer, want := range map[string]string{
		"203.0.113.7:1":          "ip=203.0.113.7",
		"[2001:db8::1]:1":        "ip=2001:db8::/64",
		"[fe80::1%eth0]:1":       "ip=fe80::/64",
		"[::ffff:203.0.113.7]:1": "ip=203.0.113.7",
		"[64:ff9b::cb00:7107]:1": "ip=203.0.113.7",
		"[64:ff9b::cb00:7108]:1": "ip=203.0.113.8",
		"[2002:cb00:7107:9::]:1": "ip=2002:cb00:7107::/48",
		"":                       "ip=unknown",
		"@":                      "ip=unknown",
		"pipe":                   "ip=unknown",
	} {
		assert.Equal(t, want, clientOf(keyOf(t, Router(), func(req *http.Request) { req.RemoteAddr = peer })), peer)
	}
}

func TestIPv6Prefix(t *testing.T) {
	for bits, want := range map[int]string{
		48: "ip=2001:db8:1::/48", 56: "ip=2001:db8:1::/56", 64: "ip=2001:db8:1:2::/64", 128: "ip=2001:db8:1:2::3/128",
	} {
		from := func(req *http.Request) { req.RemoteAddr = "[2001:db8:1:2::3]:1" }
		assert.Equal(t, want, clientOf(keyOf(t, Router(), from, WithIPv6Prefix(bits))))
	}
	for bits, want := range map[int]string{32: "ip=2002:cb00::/32", 48: "ip=2002:cb00:7107::/48", 128: "ip=2002:cb00:7107::/48"} {
		from := func(req *http.Request) { req.RemoteAddr = "[2002:cb00:7107:9::3]:1" }
		assert.Equal(t, want, clientOf(keyOf(t, Router(), from, WithIPv6Prefix(bits))), "a 6to4 site has a whole /48")
	}
}

func TestIdentity(t *testing.T) {
	for identity, want := range map[string]string{
		"ada":                    "id=ada",
		"":                       "ip=203.0.113.7",
		"a b":                    "id=a%20b",
		"a:b%":                   "id=a%3Ab%25",
		"ü\n":                    "id=%C3%BC%0A",
		"DEL\x7f~":               "id=DEL%7F~",
		"{a}":                    "id={a}",
		strings.Repeat("a", 64):  "id=" + strings.Repeat("a", 64),
		strings.Repeat("a", 65):  "idh=635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0",
		strings.Repeat("ü", 11):  "idh=", // 66 bytes once it is encoded
		strings.Repeat("x", 1e6): "idh=",
	} {
		client := clientOf(keyOf(t, Router(), func(*http.Request) {}, WithIdentity(func(*gin.Context) string { return identity })))
		if want == "idh=" {
			assert.Regexp(t, "^idh=[0-9a-f]{64}$", client)
		} else {
			assert.Equal(t, want, client)
		}
	}
}

func TestOnAUnixSocket(t *testing.T) {
	var keys []string
	logged := &Log{}
	r := Router()
	r.GET("/x", New(logged.Option(), WithObserver(func(_ *gin.Context, d Decision) { keys = append(keys, d.Key) })), OK)
	listener, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Skipf("no Unix sockets here: %v", err)
	}
	server := &http.Server{Handler: r}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", listener.Addr().String())
	}}}
	for _, forwarded := range []string{"203.0.113.7", ""} {
		req, err := http.NewRequest("GET", "http://socket/x", nil)
		require.NoError(t, err)
		if forwarded != "" {
			req.Header.Set("X-Forwarded-For", forwarded)
		}
		response, err := client.Do(req)
		require.NoError(t, err)
		_ = response.Body.Close()
		assert.Equal(t, 200, response.StatusCode)
	}
	assert.Equal(t, []string{"ginlimit:1/3s:/x:ip=203.0.113.7", "ginlimit:1/3s:/x:ip=unknown"}, keys)
	assert.Equal(t, []string{"GL2"}, logged.Codes(), "the proxy on the socket is trusted, but said nothing once")
}
