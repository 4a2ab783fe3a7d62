package ginlimit

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
)

func TestPolicy(t *testing.T) {
	for want, interval := range map[string]time.Duration{
		"1/10s": 10 * time.Second, "1/90s": 90 * time.Second, "1/1m": time.Minute, "1/1h": time.Hour, "1/24h": 24 * time.Hour,
		"1/1900ms": 1900 * time.Millisecond, "1/1ms": time.Millisecond,
	} {
		assert.Equal(t, want, policy("1", interval))
	}
	assert.Equal(t, "*/1h", policy("*", time.Hour))
	assert.Equal(t, 2*time.Millisecond, newConfig([]Option{WithInterval(1001 * time.Microsecond)}).interval, "rounded up")
}

// TestOnlyOwnKeysAreForgotten holds for what a person may type into an admin page.
func TestOnlyOwnKeysAreForgotten(t *testing.T) {
	keysOf := func(opts ...Option) *keys {
		return newKeys(newConfig(append(opts, WithInterval(10*time.Second))), &warnings{})
	}
	byIP, byID := keysOf(), keysOf(WithIdentity(func(*gin.Context) string { return "" }))
	for _, test := range []struct {
		keys *keys
		key  string
		own  bool
	}{
		{byIP, "ginlimit:1/10s:/pay:ip=203.0.113.7", true},
		{byIP, "ginlimit:1/10s:/a:ip=b:ip=203.0.113.7", true}, // a route may have colons
		{byIP, "ginlimit:1/10s:unmatched:ip=unknown", true},
		{byIP, "ginlimit:1/10s:/pay:ip=2001:db8:1:2::/64", true},
		{byIP, "ginlimit:1/10s:/pay:ip=2001:db8:1:2::1", false},
		{byIP, "ginlimit:1/10s:/pay:ip=2001:db8:1:2::/56", false},
		{byIP, "ginlimit:1/10s:/pay:ip=203.0.113.07", false},
		{byIP, "ginlimit:1/10s:/pay:ip=203.0.113.7 ", false},
		{byIP, "ginlimit:1/10s:/pay:ip=", false},
		{byIP, "ginlimit:1/10s:/pay:id=ada", false},
		{byIP, "ginlimit:1/10s:/pay:*", false},
		{byIP, "ginlimit:1/10s:*:ip=203.0.113.7", false},
		{byIP, "ginlimit:1/10s:pay:ip=203.0.113.7", false},
		{byIP, "ginlimit:1/10s::ip=203.0.113.7", false},
		{byIP, "ginlimit:1/10s:ip=203.0.113.7", false},
		{byIP, "ginlimit:2/10s:/pay:ip=203.0.113.7", false},
		{byIP, "sessions:1", false},
		{byIP, "ginlimit:1/10s:", false},
		{byIP, "", false},
		{byID, "ginlimit:1/10s:/pay:id=a%3Ab", true},
		{byID, "ginlimit:1/10s:/pay:id=a%3ab", false},
		{byID, "ginlimit:1/10s:/pay:id=", false},
		{byID, "ginlimit:1/10s:/pay:id=%zz", false},
		{byID, "ginlimit:1/10s:/pay:idh=" + strings.Repeat("0a", 32), true},
		{byID, "ginlimit:1/10s:/pay:idh=" + strings.Repeat("0A", 32), false},
		{byID, "ginlimit:1/10s:/pay:idh=0a", false},
		{byID, "ginlimit:1/10s:/pay:ip=203.0.113.7", true},
		{keysOf(WithScope(PathOnly)), "ginlimit:1/10s:/pay:*", true},
		{keysOf(WithScope(PathOnly)), "ginlimit:1/10s:/pay:ip=203.0.113.7", false},
		{keysOf(WithScope(IPOnly)), "ginlimit:1/10s:*:ip=203.0.113.7", true},
		{keysOf(WithScope(IPOnly)), "ginlimit:1/10s:/pay:ip=203.0.113.7", false},
		{keysOf(WithLimitFunc(func(*gin.Context) int { return 1 })), "ginlimit:*/10s:/pay:ip=203.0.113.7", true},
	} {
		assert.Equal(t, test.own, test.keys.own(test.key), "%q", test.key)
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
	k := newKeys(newConfig([]Option{WithIdentity(func(*gin.Context) string { return identity })}), &warnings{logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
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
	r := gin.New()
	_ = r.SetTrustedProxies(nil)
	keys := newKeys(newConfig(nil), &warnings{})
	r.POST("/pay", func(c *gin.Context) {
		b.ReportAllocs()
		for b.Loop() {
			keys.of(c)
		}
	})
	req := httptest.NewRequest("POST", "/pay", nil)
	r.ServeHTTP(httptest.NewRecorder(), req)
}
