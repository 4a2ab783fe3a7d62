package ginlimit

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/gintest"
)

// keyOf returns the key under which a limiter with these options looks for the marks of a peer's request.
func keyOf(t testing.TB, peer string, opts ...Option) string {
	var key string
	opts = append([]Option{quiet, WithInterval(10 * time.Second), WithObserver(func(_ *gin.Context, d Decision) { key = d.Key })}, opts...)
	r := gintest.NewRouter()
	r.GET("/pay", New(opts...), gintest.OK)
	gintest.Request(r, "GET", "/pay", peer)
	require.NotEmpty(t, key)
	return key
}

func clientOf(key string) string { return strings.TrimPrefix(key, "ginlimit:1/10s:/pay:") }

func TestKey(t *testing.T) {
	assert.Equal(t, "ginlimit:1/10s:/pay:ip=203.0.113.7", keyOf(t, gintest.Alice))
	assert.Equal(t, "ginlimit:1/10s:/pay:*", keyOf(t, gintest.Alice, WithScope(PathOnly)))
	assert.Equal(t, "ginlimit:1/10s:*:ip=203.0.113.7", keyOf(t, gintest.Alice, WithScope(IPOnly)))
	assert.Equal(t, "shop:5/10s:/pay:ip=203.0.113.7", keyOf(t, gintest.Alice, WithPrefix("shop"), WithLimit(5)))
}

func TestKeyOfAnUnmatchedRoute(t *testing.T) {
	var key string
	r := gintest.NewRouter()
	r.NoRoute(New(quiet, WithObserver(func(_ *gin.Context, d Decision) { key = d.Key })))
	gintest.Request(r, "GET", "/nowhere", gintest.Alice)
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
		r := gintest.NewRouter()
		r.GET(route, New(quiet, WithObserver(func(_ *gin.Context, d Decision) { key = d.Key })), gintest.OK)
		gintest.Request(r, "GET", strings.ReplaceAll(route, "%", "%25"), gintest.Alice)
		assert.Equal(t, "ginlimit:1/3s:"+want+":ip=203.0.113.7", key)
	}
}

func TestPolicy(t *testing.T) {
	for want, interval := range map[string]time.Duration{
		"1/10s": 10 * time.Second, "1/90s": 90 * time.Second, "1/1m": time.Minute, "1/1h": time.Hour, "1/24h": 24 * time.Hour,
		"1/1900ms": 1900 * time.Millisecond, "1/1ms": time.Millisecond,
	} {
		assert.Equal(t, want, policy("1", interval))
	}
	assert.Equal(t, "20/1h", policy("20", time.Hour))
	assert.Equal(t, "*/1h", policy("*", time.Hour))
	assert.Equal(t, 2*time.Millisecond, newConfig([]Option{WithInterval(1001 * time.Microsecond)}).interval, "rounded up")
}

func TestAddressesInKeys(t *testing.T) {
	for peer, want := range map[string]string{
		"203.0.113.7:1":                 "ip=203.0.113.7",
		"[::ffff:203.0.113.7]:1":        "ip=203.0.113.7",
		"[64:ff9b::203.0.113.7]:1":      "ip=203.0.113.7",
		"[2001:db8:1:2:3:4:5:6%eth0]:1": "ip=2001:db8:1:2::/64",
		"[2002:cb00:7107:1:2:3:4:5]:1":  "ip=2002:cb00:7107::/48",
		"@":                             "ip=unknown",
	} {
		assert.Equal(t, want, clientOf(keyOf(t, peer)), peer)
	}
	assert.Equal(t, "ip=2001:db8:1:2:3:4:5:6/128", clientOf(keyOf(t, "[2001:db8:1:2:3:4:5:6]:1", WithIPv6Prefix(128))))
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
		client := clientOf(keyOf(t, gintest.Alice, WithIdentity(func(*gin.Context) string { return identity })))
		if want == "idh=" {
			assert.Regexp(t, "^idh=[0-9a-f]{64}$", client)
		} else {
			assert.Equal(t, want, client)
		}
	}
}

// FuzzKey holds that different routes and clients never share a key, and that no input makes a key long or unprintable.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{"ada", "a:b", "a%3Ab", "*", "ip=1.2.3.4", "x:ip=1.2.3.4", "\x00\xff", strings.Repeat("z", 70)} {
		f.Add("/pay", seed, "203.0.113.7", "/pay:ip=1", "bob", "::1")
		f.Add("/{"+seed+"}", seed, "1.2.3.4", "/%7B"+seed+"%7D", "{"+seed+"}", "64:ff9b::102:304")
		f.Add("/a", seed, seed, "/a:id=b", seed+":*", "1.2.3.4")
	}
	f.Fuzz(func(t *testing.T, route1, identity1, address1, route2, identity2, address2 string) {
		type parts struct{ policy, route, client string }
		seen := map[string]parts{}
		clients := map[[2]string]string{}
		for _, identity := range []string{"", identity1, identity2} {
			for _, address := range []string{address1, address2} {
				client := fuzzedClient(identity, address)
				assertClient(t, client)
				clients[[2]string{identity, address}] = client
			}
		}
		for _, route := range []string{"/" + route1, "/" + route2, "unmatched", "*"} {
			for _, identity := range []string{"", identity1, identity2} {
				for _, address := range []string{address1, address2} {
					client := clients[[2]string{identity, address}]
					for _, policy := range []string{"1/10s", "10/1s"} {
						head := "p:" + policy + ":"
						key := string(appendRoute([]byte(head), route)) + ":"
						if strings.Contains(key, "{") {
							t.Fatalf("%q puts all clients in one slot", key)
						}
						key += client
						now := parts{policy, route, client}
						if before, found := seen[key]; found && before != now {
							t.Fatalf("%q stands for %q and %q", key, before, now)
						}
						seen[key] = now
					}
				}
			}
		}
		if identity1 != identity2 && fuzzedClient(identity1, "") == fuzzedClient(identity2, "") {
			t.Fatalf("%q and %q are one client", identity1, identity2)
		}
	})
}

// fuzzedClient returns the client part of a key, as the limiter makes it.
func fuzzedClient(identity, address string) string {
	c, engine := gin.CreateTestContext(httptest.NewRecorder())
	engine.TrustedPlatform = "X-Client"
	c.Request = &http.Request{Header: http.Header{"X-Client": {address}}, RemoteAddr: "192.0.2.9:1"}
	k := newKeys(newConfig([]Option{WithIdentity(func(*gin.Context) string { return identity })}), &warnings{logger: gintest.Discard})
	return string(k.appendClient(nil, c))
}

func assertClient(t *testing.T, client string) {
	if len(client) > 72 {
		t.Fatalf("%q is %d bytes", client, len(client))
	}
	for _, b := range []byte(client) {
		if b <= ' ' || b >= 0x7f {
			t.Fatalf("%q is not printable", client)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	r := gintest.NewRouter()
	keys := newKeys(newConfig(nil), &warnings{logger: gintest.Discard})
	r.POST("/pay", func(c *gin.Context) {
		b.ReportAllocs()
		for b.Loop() {
			keys.of(c)
		}
	})
	gintest.Request(r, "POST", "/pay", gintest.Alice)
}
