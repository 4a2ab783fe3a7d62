package test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
)

// get sends a request over real HTTP and returns the status.
func get(t *testing.T, url string, header ...string) int {
	req, err := http.NewRequest("GET", url, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = response.Body.Close()
	return response.StatusCode
}

// serve starts a real HTTP server with a limiter and returns its address and log.
func serve(t *testing.T, trust func(*gin.Engine), opts ...Option) (string, *Log) {
	logged := &Log{}
	r := gin.New()
	trust(r)
	r.GET("/x", New(append(opts, logged.Option(), WithInterval(time.Minute))...), OK)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return server.URL + "/x", logged
}

func proxies(addresses ...string) func(*gin.Engine) {
	return func(r *gin.Engine) {
		if err := r.SetTrustedProxies(addresses); err != nil {
			panic(err)
		}
	}
}

func TestForgedForwardingHeaderChangesNothingWithoutTrustedProxies(t *testing.T) {
	url, logged := serve(t, proxies())
	assert.Equal(t, 200, get(t, url))
	assert.Equal(t, 429, get(t, url, "X-Forwarded-For", "203.0.113.1"))
	assert.Equal(t, 429, get(t, url, "X-Forwarded-For", "203.0.113.2"))
	assert.Equal(t, []string{"GL4"}, logged.Codes(), "a loopback peer may be a proxy that nobody trusts")
	assert.Contains(t, logged.Entries()[0]["msg"], "SetTrustedProxies")
	assert.Equal(t, "127.0.0.1", logged.Entries()[0]["peer"])
}

func TestGinsDefaultTrustsForgersAndGL1SaysSoOnce(t *testing.T) {
	url, logged := serve(t, func(*gin.Engine) {})
	assert.Equal(t, 200, get(t, url))
	assert.Equal(t, 200, get(t, url, "X-Forwarded-For", "203.0.113.1"), "forged")
	assert.Equal(t, 200, get(t, url, "X-Forwarded-For", "203.0.113.2"), "forged again")
	assert.Equal(t, []string{"GL1"}, logged.Codes())
	assert.Contains(t, logged.Entries()[0]["msg"], "engine.SetTrustedProxies")
}

func TestBehindATrustedProxyTheForwardedClientCounts(t *testing.T) {
	url, logged := serve(t, proxies("127.0.0.1", "::1"))
	assert.Equal(t, 200, get(t, url, "X-Forwarded-For", "203.0.113.1"))
	assert.Equal(t, 200, get(t, url, "X-Forwarded-For", "203.0.113.2"))
	assert.Equal(t, 429, get(t, url, "X-Forwarded-For", "198.51.100.5, 203.0.113.2"), "the client wrote the first address itself")
	assert.Empty(t, logged.Codes())
}

func TestGL1(t *testing.T) {
	for name, test := range map[string]struct {
		trust func(*gin.Engine)
		opts  []Option
		want  []string
	}{
		"Gin's default":             {func(*gin.Engine) {}, nil, []string{"GL1"}},
		"every IPv4 peer":           {proxies("0.0.0.0/0"), nil, []string{"GL1"}},
		"every IPv6 peer":           {proxies("::/0"), nil, []string{"GL1"}},
		"nobody":                    {proxies(), nil, nil},
		"documentation addresses":   {proxies("192.0.2.0/24"), nil, nil}, // httptest's peers
		"two such networks":         {proxies("192.0.2.0/24", "2001:db8::/32"), nil, nil},
		"another's header":          {func(r *gin.Engine) { r.RemoteIPHeaders = []string{"True-Client-IP"} }, nil, []string{"GL1"}},
		"a platform, and all peers": {func(r *gin.Engine) { r.TrustedPlatform = "X-Real-IP" }, nil, []string{"GL1"}},
		"a platform, and no peers":  {func(r *gin.Engine) { proxies()(r); r.TrustedPlatform = "X-Real-IP" }, nil, nil},
		"private networks":          {proxies("10.0.0.0/8", "fd00::/8"), nil, nil},
		"no forwarding":             {func(r *gin.Engine) { r.ForwardedByClientIP = false }, nil, nil},
		"the IP does not count":     {func(*gin.Engine) {}, []Option{WithScope(PathOnly)}, nil},
		"identities for all":        {func(*gin.Engine) {}, []Option{WithIdentity(func(*gin.Context) string { return "ada" })}, nil},
		"identities, not for all":   {func(*gin.Engine) {}, []Option{WithIdentity(func(*gin.Context) string { return "" })}, []string{"GL1"}},
		"another forwarding header": {func(r *gin.Engine) { r.RemoteIPHeaders = []string{"X-Real-IP"} }, nil, []string{"GL1"}},
	} {
		t.Run(name, func(t *testing.T) {
			logged := &Log{}
			r := gin.New()
			test.trust(r)
			r.GET("/x", New(append(test.opts, logged.Option())...), OK)
			for range 3 {
				Request(r, "GET", "/x", Alice)
			}
			assert.Equal(t, test.want, logged.Codes())
		})
	}
}

func TestGL2(t *testing.T) {
	logged := &Log{}
	r := Router()
	r.GET("/x", New(logged.Option()), OK)
	assert.Equal(t, 200, Request(r, "GET", "/x", "@").Code)
	assert.Equal(t, 429, Request(r, "GET", "/x", "").Code)
	assert.Equal(t, []string{"GL2"}, logged.Codes())
}

func TestGL3(t *testing.T) {
	logged := &Log{}
	limit := New(logged.Option())
	r := Router()
	r.Group("/", limit).GET("/x", limit, OK)
	for range 3 {
		Request(r, "GET", "/x", Alice)
	}
	assert.Equal(t, []string{"GL3"}, logged.Codes())
	assert.Equal(t, "ginlimit:1/3s:/x:ip=203.0.113.7", logged.Entries()[0]["key"])
}

func TestGL4(t *testing.T) {
	for name, test := range map[string]struct {
		trust  func(*gin.Engine)
		peer   string
		header []string
		want   []string
	}{
		"a private proxy":                   {proxies(), "10.1.2.3:1", []string{"X-Forwarded-For", "203.0.113.1"}, []string{"GL4"}},
		"a private IPv6 proxy":              {proxies(), "[fd00::1]:1", []string{"Forwarded", "for=203.0.113.1"}, []string{"GL4"}},
		"a client far away forges":          {proxies(), Alice, []string{"X-Forwarded-For", "203.0.113.1"}, nil},
		"no forwarding header":              {proxies(), "10.1.2.3:1", nil, nil},
		"a trusted proxy":                   {proxies("10.1.2.3"), "10.1.2.3:1", []string{"X-Forwarded-For", "203.0.113.1"}, nil},
		"a trusted proxy says nonsense":     {proxies("10.1.2.3"), "10.1.2.3:1", []string{"X-Forwarded-For", "nonsense"}, []string{"GL9"}},
		"a proxy in a carrier's network":    {proxies(), "100.64.0.2:1", []string{"X-Forwarded-For", "203.0.113.1"}, []string{"GL4"}},
		"a link-local proxy":                {proxies(), "[fe80::1%eth0]:1", []string{"X-Forwarded-For", "203.0.113.1"}, []string{"GL4"}},
		"a platform's proxy":                {proxies(), "10.1.2.3:1", []string{"Fly-Client-IP", "203.0.113.1"}, []string{"GL4"}},
		"an empty header":                   {proxies(), "10.1.2.3:1", []string{"X-Forwarded-For", ""}, nil},
		"a trusted proxy names only itself": {proxies("10.1.2.3"), "10.1.2.3:1", []string{"X-Forwarded-For", "10.1.2.3"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			logged := &Log{}
			r := gin.New()
			test.trust(r)
			r.GET("/x", New(logged.Option()), OK)
			for range 3 {
				Request(r, "GET", "/x", test.peer, test.header...)
			}
			assert.Equal(t, test.want, logged.Codes())
		})
	}
}

func TestGL7(t *testing.T) {
	logged := &Log{}
	r := Router()
	r.GET("/x", New(logged.Option(), WithCapacity(2)), OK)
	for _, client := range []string{"203.0.113.1:1", "203.0.113.2:1", "203.0.113.3:1", "203.0.113.4:1"} {
		assert.Equal(t, 200, Request(r, "GET", "/x", client).Code)
	}
	assert.Equal(t, 200, Request(r, "GET", "/x", "203.0.113.1:1").Code, "its mark was given up")
	assert.Equal(t, []string{"GL7"}, logged.Codes())
	assert.InDelta(t, 2, logged.Entries()[0]["capacity"], 0)
}

func TestWarningsGoToTheDefaultLoggerOfTheMoment(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	limit := New()
	logged := &Log{}
	slog.SetDefault(slog.New(slog.NewJSONHandler(logged, nil)))
	r := gin.New()
	r.GET("/x", limit)
	Request(r, "GET", "/x", Alice)
	assert.Equal(t, []string{"GL1"}, logged.Codes())
	assert.Equal(t, "ginlimit", logged.Entries()[0]["policy"])
}
