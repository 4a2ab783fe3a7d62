package test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
)

// site is a real HTTP server with one limiter, on a port or on a Unix socket.
type site struct {
	server *httptest.Server
	client *http.Client
	log    *Log
	keys   []string
}

func newSite(t *testing.T, onSocket bool, setUp func(*gin.Engine), opts ...Option) *site {
	s := &site{log: &Log{}, client: &http.Client{}}
	r := gin.New()
	setUp(r)
	r.GET("/x", New(append(opts, s.log.Option(), WithInterval(time.Minute),
		WithObserver(func(_ *gin.Context, d Decision) { s.keys = append(s.keys, d.Key) }))...), OK)
	s.server = httptest.NewUnstartedServer(r)
	if onSocket {
		path := filepath.Join(t.TempDir(), "s")
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Skipf("no Unix sockets here: %v", err)
		}
		_ = s.server.Listener.Close()
		s.server.Listener = listener
		s.client.Transport = &http.Transport{DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", path)
			}}
	}
	s.server.Start()
	t.Cleanup(s.server.Close)
	return s
}

// get sends a request and returns the status and which client counted.
func (s *site) get(t *testing.T, header ...string) (int, string) {
	req, err := http.NewRequest("GET", "http://site/x", nil)
	require.NoError(t, err)
	if s.client.Transport == nil {
		req, err = http.NewRequest("GET", s.server.URL+"/x", nil)
		require.NoError(t, err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	response, err := s.client.Do(req)
	require.NoError(t, err)
	_ = response.Body.Close()
	return response.StatusCode, s.keys[len(s.keys)-1][len("ginlimit:1/1m:/x:"):]
}

// TestForwarding is what counts and what is warned of, for every form of every header. A peer is a trusted proxy, nobody's
// proxy, or the proxy on a Unix socket. Where the proxy's own address counts, that is its address or, on a socket, unknown.
func TestForwarding(t *testing.T) {
	const proxy = ""
	for _, row := range []struct {
		name   string
		header []string
		counts string
		warned string
	}{
		{"no header", nil, proxy, ""},
		{"an empty header", []string{"X-Forwarded-For", ""}, proxy, ""},

		{"X-Forwarded-For, plain", []string{"X-Forwarded-For", "203.0.113.1"}, "ip=203.0.113.1", ""},
		{"X-Forwarded-For, IPv6", []string{"X-Forwarded-For", "2001:db8::1"}, "ip=2001:db8::/64", ""},
		{"X-Forwarded-For, IPv4-mapped", []string{"X-Forwarded-For", "::ffff:203.0.113.1"}, "ip=203.0.113.1", ""},
		{"X-Forwarded-For, translated", []string{"X-Forwarded-For", "64:ff9b::203.0.113.1"}, "ip=203.0.113.1", ""},
		{"X-Forwarded-For, port", []string{"X-Forwarded-For", "203.0.113.1:40001"}, proxy, "GL9"},
		{"X-Forwarded-For, brackets", []string{"X-Forwarded-For", "[2001:db8::1]"}, proxy, "GL9"},
		{"X-Forwarded-For, brackets and port", []string{"X-Forwarded-For", "[2001:db8::1]:40001"}, proxy, "GL9"},
		{"X-Forwarded-For, a list", []string{"X-Forwarded-For", "198.51.100.5, 203.0.113.1"}, "ip=203.0.113.1", ""},
		{"X-Forwarded-For, a list with ports", []string{"X-Forwarded-For", "198.51.100.5, 203.0.113.1:1"}, proxy, "GL9"},
		{"X-Forwarded-For, a comma at the end", []string{"X-Forwarded-For", "203.0.113.1,"}, proxy, "GL9"},
		{"X-Forwarded-For, several lines", []string{"X-Forwarded-For", "198.51.100.5", "X-Forwarded-For", "203.0.113.1"},
			"ip=203.0.113.1", ""},
		{"X-Forwarded-For, several lines, a port", []string{"X-Forwarded-For", "198.51.100.5", "X-Forwarded-For", "203.0.113.1:1"},
			proxy, "GL9"},
		{"X-Forwarded-For, rubbish", []string{"X-Forwarded-For", "nonsense"}, proxy, "GL9"},
		{"X-Forwarded-For, unknown", []string{"X-Forwarded-For", "unknown"}, proxy, "GL9"},
		{"X-Forwarded-For, rubbish of the client's", []string{"X-Forwarded-For", "nonsense, 203.0.113.1"}, "ip=203.0.113.1", ""},
		{"X-Forwarded-For, trusted proxies in a row", []string{"X-Forwarded-For", "198.51.100.5, 203.0.113.1, 10.0.0.3, 10.0.0.4"},
			"ip=203.0.113.1", ""},
		{"X-Forwarded-For, an untrusted proxy in the row", []string{"X-Forwarded-For", "203.0.113.1, 192.168.0.3"},
			"ip=192.168.0.3", ""}, // it may be a client who forges
		{"X-Forwarded-For, a client inside", []string{"X-Forwarded-For", "192.168.0.3"}, "ip=192.168.0.3", ""},
		{"X-Forwarded-For, a trusted client", []string{"X-Forwarded-For", "10.0.0.9"}, "ip=10.0.0.9", ""},

		{"X-Real-IP, plain", []string{"X-Real-IP", "203.0.113.1"}, "ip=203.0.113.1", ""},
		{"X-Real-IP, port", []string{"X-Real-IP", "203.0.113.1:1"}, proxy, "GL9"},
		{"X-Real-IP, brackets", []string{"X-Real-IP", "[2001:db8::1]"}, proxy, "GL9"},
		{"X-Real-IP, rubbish", []string{"X-Real-IP", "nonsense"}, proxy, "GL9"},

		{"Forwarded", []string{"Forwarded", "for=203.0.113.1"}, proxy, "GL9"},
		{"Forwarded, all parameters", []string{"Forwarded", `by=10.0.0.5;For="203.0.113.1:1";proto=https`}, proxy, "GL9"},
		{"Forwarded, brackets and port", []string{"Forwarded", `for="[2001:db8::1]:4711"`}, proxy, "GL9"},
		{"Forwarded, a list", []string{"Forwarded", "for=203.0.113.1, for=10.0.0.3"}, proxy, "GL9"},
		{"Forwarded, several lines", []string{"Forwarded", "for=203.0.113.1", "Forwarded", "for=10.0.0.3"}, proxy, "GL9"},
		{"Forwarded, hidden", []string{"Forwarded", "for=_hidden"}, proxy, "GL9"},
		{"Forwarded, only a trusted proxy", []string{"Forwarded", "for=10.0.0.3;proto=http"}, proxy, ""},
		{"Forwarded, nobody", []string{"Forwarded", "proto=https;host=shop.example"}, proxy, ""},
		{"Forwarded beside a readable header", []string{"Forwarded", "for=203.0.113.1", "X-Forwarded-For", "203.0.113.1"},
			"ip=203.0.113.1", ""},

		{"Cloudflare's", []string{"CF-Connecting-IP", "203.0.113.1"}, proxy, "GL9"},
		{"Akamai's", []string{"True-Client-IP", "203.0.113.1"}, proxy, "GL9"},
		{"Fly.io's", []string{"Fly-Client-IP", "203.0.113.1"}, proxy, "GL9"},
		{"Azure's", []string{"X-Azure-ClientIP", "203.0.113.1"}, proxy, "GL9"},
		{"Azure's, port", []string{"X-Azure-ClientIP", "203.0.113.1:1"}, proxy, "GL9"},
		{"Cloudflare's, rubbish", []string{"CF-Connecting-IP", "nonsense"}, proxy, "GL9"},
		{"Cloudflare's beside a readable header", []string{"CF-Connecting-IP", "203.0.113.1", "X-Forwarded-For", "203.0.113.2"},
			"ip=203.0.113.2", ""},

		{"two agree", []string{"X-Forwarded-For", "203.0.113.1", "X-Real-IP", "203.0.113.1"}, "ip=203.0.113.1", ""},
		{"two agree, spelt otherwise", []string{"X-Forwarded-For", "203.0.113.1", "X-Real-IP", "::ffff:203.0.113.1"},
			"ip=203.0.113.1", ""},
		{"two agree on the client's prefix", []string{"X-Forwarded-For", "2001:db8::1", "X-Real-IP", "2001:DB8::2"},
			"ip=2001:db8::/64", ""},
		{"two agree, one with a port", []string{"X-Forwarded-For", "203.0.113.1:1", "X-Real-IP", "203.0.113.1"},
			"ip=203.0.113.1", ""},
		{"two disagree", []string{"X-Forwarded-For", "198.51.100.5", "X-Real-IP", "203.0.113.1"}, "ip=198.51.100.5", "GL10"},
		{"two disagree, the first with a port", []string{"X-Forwarded-For", "203.0.113.1:1", "X-Real-IP", "198.51.100.5"},
			"ip=198.51.100.5", "GL10"},
		{"two disagree, the first is rubbish", []string{"X-Forwarded-For", "nonsense", "X-Real-IP", "198.51.100.5"},
			"ip=198.51.100.5", "GL10"},
		{"two disagree, the second is rubbish", []string{"X-Forwarded-For", "203.0.113.1", "X-Real-IP", "nonsense"},
			"ip=203.0.113.1", "GL10"},
		{"two honest proxies in a row", []string{"X-Forwarded-For", "203.0.113.1, 10.0.0.3", "X-Real-IP", "10.0.0.3"},
			"ip=203.0.113.1", ""},
		{"the second proxy reads another header than the first", []string{"X-Forwarded-For", "10.0.0.3", "X-Real-IP", "203.0.113.1"},
			"ip=10.0.0.3", "GL9"},
	} {
		trusted := proxies("127.0.0.1", "10.0.0.0/8")
		forwarded := slices.ContainsFunc(row.header, func(s string) bool { return s == "Forwarded" }) ||
			len(row.header) > 0 && row.header[1] != ""
		for peer, test := range map[string]struct {
			onSocket      bool
			setUp         func(*gin.Engine)
			counts, warns string
		}{
			"trusted":     {false, trusted, or(row.counts, "ip=127.0.0.1"), row.warned},
			"not trusted": {false, proxies(), "ip=127.0.0.1", when(forwarded, "GL4")},
			"socket": {true, trusted, or(row.counts, "ip=unknown"),
				or(row.warned, when(row.counts == proxy, "GL2"))},
		} {
			t.Run(row.name+", "+peer, func(t *testing.T) {
				s := newSite(t, test.onSocket, test.setUp)
				for _, status := range []int{200, 429, 429} {
					got, client := s.get(t, row.header...)
					assert.Equal(t, status, got)
					assert.Equal(t, test.counts, client)
				}
				assert.Equal(t, test.warns, first(s.log.Codes()))
				assert.LessOrEqual(t, len(s.log.Codes()), 1, "each is said once")
			})
		}
	}
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func when(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

func first(codes []string) string { return append(codes, "")[0] }

// TestForwardingSetUps is what else an engine can be told.
func TestForwardingSetUps(t *testing.T) {
	reads := func(names ...string) func(*gin.Engine) {
		return func(r *gin.Engine) { proxies("127.0.0.1")(r); r.RemoteIPHeaders = names }
	}
	const itself = "ip=127.0.0.1"
	for name, test := range map[string]struct {
		onSocket bool
		setUp    func(*gin.Engine)
		header   []string
		counts   string
		warned   []string
	}{
		"Gin's default on a socket": {true, func(*gin.Engine) {}, []string{"X-Forwarded-For", "198.51.100.5, 203.0.113.1"},
			"ip=198.51.100.5", []string{"GL1"}},
		"no trusted proxies on a socket": {true, proxies(), []string{"X-Forwarded-For", "198.51.100.5, 203.0.113.1"},
			"ip=203.0.113.1", nil},
		"no forwarding on a socket": {true, func(r *gin.Engine) { r.ForwardedByClientIP = false },
			[]string{"X-Forwarded-For", "203.0.113.1"}, "ip=unknown", []string{"GL9"}},
		"the platform's header": {false, platform(gin.PlatformCloudflare),
			[]string{"CF-Connecting-IP", "203.0.113.1", "X-Forwarded-For", "203.0.113.1, 198.51.100.5"}, "ip=203.0.113.1", nil},
		"the platform's header with a port": {false, platform("X-Client-Addr"), []string{"X-Client-Addr", "203.0.113.1:1"},
			"ip=203.0.113.1", nil},
		"the platform names the peer itself": {false, platform(gin.PlatformCloudflare), []string{"CF-Connecting-IP", "127.0.0.1"},
			itself, nil},
		"the platform's header has a list": {false, platform("X-Forwarded-For"),
			[]string{"X-Forwarded-For", "203.0.113.1, 198.51.100.5"}, itself, []string{"GL9"}},
		"a platform of one's own says nonsense": {false, platform("X-Client-Addr"), []string{"X-Client-Addr", "nonsense"},
			itself, []string{"GL9"}},
		"a trusted platform and a trusted proxy": {false, func(r *gin.Engine) {
			proxies("127.0.0.1")(r)
			r.TrustedPlatform = gin.PlatformCloudflare
		}, []string{"CF-Connecting-IP", "203.0.113.1", "X-Forwarded-For", "203.0.113.1, 198.51.100.5"}, "ip=203.0.113.1", nil},
		"only the header that the proxy sets": {false, reads("X-Real-IP"),
			[]string{"X-Real-IP", "203.0.113.1", "X-Forwarded-For", "198.51.100.5"}, "ip=203.0.113.1", nil},
		"not the header that the proxy sets": {false, reads("X-Real-IP"), []string{"X-Forwarded-For", "203.0.113.1"},
			itself, []string{"GL9"}},
		"a header of one's own": {false, reads("X-Client"),
			[]string{"X-Client", "203.0.113.1", "X-Forwarded-For", "198.51.100.5"}, "ip=203.0.113.1", nil},
		"a header of one's own that disagrees": {false, reads("X-Client", "X-Forwarded-For"),
			[]string{"X-Client", "203.0.113.1", "X-Forwarded-For", "198.51.100.5"}, "ip=203.0.113.1", []string{"GL10"}},
		"a header of one's own comes second": {false, reads("X-Forwarded-For", "X-Client"),
			[]string{"X-Client", "203.0.113.1", "X-Forwarded-For", "198.51.100.5"}, "ip=198.51.100.5", []string{"GL10"}},
		"a header of one's own, from anyone": {false, func(r *gin.Engine) { r.RemoteIPHeaders = []string{"X-Client"} },
			[]string{"X-Client", "203.0.113.1"}, "ip=203.0.113.1", []string{"GL1"}},
		"Forwarded, which Gin can't read": {false, reads("Forwarded"), []string{"Forwarded", "for=203.0.113.1"},
			itself, []string{"GL9"}},
	} {
		for _, before := range []string{"", ", a health check first"} {
			t.Run(name+before, func(t *testing.T) {
				if before != "" && test.onSocket {
					t.Skip("GL2 is said then")
				}
				s := newSite(t, test.onSocket, test.setUp, WithCapacity(4))
				if before != "" {
					s.get(t)
				}
				for range 2 {
					_, client := s.get(t, test.header...)
					assert.Equal(t, test.counts, client)
				}
				assert.Equal(t, test.warned, s.log.Codes())
			})
		}
	}
}

func TestWhatGL9AndGL10Say(t *testing.T) {
	s := newSite(t, false, proxies("127.0.0.1"))
	s.get(t, "X-Forwarded-For", "203.0.113.1:40001")
	s.get(t, "X-Forwarded-For", "198.51.100.5", "X-Real-IP", "203.0.113.1")
	entries := s.log.Entries()
	require.Len(t, entries, 2)
	assert.Equal(t, []any{"GL9", "X-Forwarded-For", "127.0.0.1"}, []any{entries[0]["code"], entries[0]["header"], entries[0]["peer"]})
	assert.Equal(t, []any{"GL10", "X-Real-Ip", "203.0.113.1", "198.51.100.5"},
		[]any{entries[1]["code"], entries[1]["header"], entries[1]["named"], entries[1]["counted"]})
}
