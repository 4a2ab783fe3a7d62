package ginlimit

import (
	"log/slog"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

func TestGL1(t *testing.T) {
	for name, test := range map[string]struct {
		trust func(*gin.Engine)
		opts  []Option
		want  []string
	}{
		"Gin's default":             {func(*gin.Engine) {}, nil, []string{"GL1"}},
		"every IPv4 peer":           {gintest.Trust("0.0.0.0/0"), nil, []string{"GL1"}},
		"every IPv6 peer":           {gintest.Trust("::/0"), nil, []string{"GL1"}},
		"nobody":                    {gintest.Trust(), nil, nil},
		"documentation addresses":   {gintest.Trust("192.0.2.0/24"), nil, nil}, // httptest's peers
		"two such networks":         {gintest.Trust("192.0.2.0/24", "2001:db8::/32"), nil, nil},
		"another's header":          {func(r *gin.Engine) { r.RemoteIPHeaders = []string{"True-Client-IP"} }, nil, []string{"GL1"}},
		"a platform, and all peers": {func(r *gin.Engine) { r.TrustedPlatform = "X-Real-IP" }, nil, []string{"GL1"}},
		"a platform, and no peers":  {func(r *gin.Engine) { gintest.Trust()(r); r.TrustedPlatform = "X-Real-IP" }, nil, nil},
		"private networks":          {gintest.Trust("10.0.0.0/8", "fd00::/8"), nil, nil},
		"no forwarding":             {func(r *gin.Engine) { r.ForwardedByClientIP = false }, nil, nil},
		"the IP does not count":     {func(*gin.Engine) {}, []Option{WithScope(PathOnly)}, nil},
		"identities for all":        {func(*gin.Engine) {}, []Option{WithIdentity(func(*gin.Context) string { return "ada" })}, nil},
		"identities, not for all":   {func(*gin.Engine) {}, []Option{WithIdentity(func(*gin.Context) string { return "" })}, []string{"GL1"}},
		"another forwarding header": {func(r *gin.Engine) { r.RemoteIPHeaders = []string{"X-Real-IP"} }, nil, []string{"GL1"}},
	} {
		t.Run(name, func(t *testing.T) {
			logged := &gintest.Log{}
			r := gin.New()
			test.trust(r)
			r.GET("/x", New(append(test.opts, WithLogger(logged.Logger()))...), gintest.OK)
			for range 3 {
				gintest.Request(r, "GET", "/x", gintest.Alice)
			}
			assert.Equal(t, test.want, logged.Codes())
		})
	}
}

func TestGL2(t *testing.T) {
	logged := &gintest.Log{}
	r := gintest.NewRouter()
	r.GET("/x", New(WithLogger(logged.Logger())), gintest.OK)
	assert.Equal(t, 200, gintest.Request(r, "GET", "/x", "@").Code)
	assert.Equal(t, 429, gintest.Request(r, "GET", "/x", "").Code)
	assert.Equal(t, []string{"GL2"}, logged.Codes())
}

func TestGL3(t *testing.T) {
	two := func(opts ...Option) []Option { return append(opts, WithLimit(2)) }
	cost := func(n int) Option { return WithCost(func(*gin.Context) int { return n }) }
	limit := func(n int) Option { return WithLimitFunc(func(*gin.Context) int { return n }) }
	for name, test := range map[string]struct {
		outer, inner []Option // nil: the outer one again
		want         []string
	}{
		"the same one":                       {two(), nil, []string{"GL3"}},
		"an equal one":                       {two(), two(), []string{"GL3"}},
		"a dry run in front of the real one": {two(WithDryRun()), two(), nil},
		"another cost":                       {two(cost(2), WithDryRun()), two(cost(1)), []string{"GL3"}},
		"another limit":                      {[]Option{limit(3), WithDryRun()}, []Option{limit(4)}, []string{"GL3"}},
		"another prefix":                     {two(), two(WithPrefix("other")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			logged := &gintest.Log{}
			where := []Option{WithRedis(redistest.Dial(t, redistest.Start(t).Addr())), WithTimeout(5 * time.Second)}
			outer := New(append(with(where, test.outer...), WithLogger(logged.Logger()))...)
			inner := outer
			if test.inner != nil {
				inner = New(append(with(where, test.inner...), WithLogger(logged.Logger()))...)
			}
			r := gintest.NewRouter()
			r.Group("/", outer).GET("/x", inner, gintest.OK)
			for range 3 {
				gintest.Request(r, "GET", "/x", gintest.Alice)
			}
			assert.Equal(t, test.want, logged.Codes())
			for _, entry := range logged.Entries() {
				assert.Contains(t, entry["key"], ":/x:ip=203.0.113.7")
			}
		})
	}
}

func TestGL4(t *testing.T) {
	for name, test := range map[string]struct {
		trust  func(*gin.Engine)
		peer   string
		header []string
		want   []string
	}{
		"a private proxy":                   {gintest.Trust(), "10.1.2.3:1", []string{"X-Forwarded-For", "203.0.113.1"}, []string{"GL4"}},
		"a private IPv6 proxy":              {gintest.Trust(), "[fd00::1]:1", []string{"Forwarded", "for=203.0.113.1"}, []string{"GL4"}},
		"a client far away forges":          {gintest.Trust(), gintest.Alice, []string{"X-Forwarded-For", "203.0.113.1"}, nil},
		"no forwarding header":              {gintest.Trust(), "10.1.2.3:1", nil, nil},
		"a trusted proxy":                   {gintest.Trust("10.1.2.3"), "10.1.2.3:1", []string{"X-Forwarded-For", "203.0.113.1"}, nil},
		"a trusted proxy says nonsense":     {gintest.Trust("10.1.2.3"), "10.1.2.3:1", []string{"X-Forwarded-For", "nonsense"}, []string{"GL9"}},
		"a proxy in a carrier's network":    {gintest.Trust(), "100.64.0.2:1", []string{"X-Forwarded-For", "203.0.113.1"}, []string{"GL4"}},
		"a link-local proxy":                {gintest.Trust(), "[fe80::1%eth0]:1", []string{"X-Forwarded-For", "203.0.113.1"}, []string{"GL4"}},
		"a platform's proxy":                {gintest.Trust(), "10.1.2.3:1", []string{"Fly-Client-IP", "203.0.113.1"}, []string{"GL4"}},
		"an empty header":                   {gintest.Trust(), "10.1.2.3:1", []string{"X-Forwarded-For", ""}, nil},
		"a trusted proxy names only itself": {gintest.Trust("10.1.2.3"), "10.1.2.3:1", []string{"X-Forwarded-For", "10.1.2.3"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			logged := &gintest.Log{}
			r := gin.New()
			test.trust(r)
			r.GET("/x", New(WithLogger(logged.Logger())), gintest.OK)
			for range 3 {
				gintest.Request(r, "GET", "/x", test.peer, test.header...)
			}
			assert.Equal(t, test.want, logged.Codes())
		})
	}
}

func TestGL7(t *testing.T) {
	logged := &gintest.Log{}
	r := gintest.NewRouter()
	r.GET("/x", New(WithLogger(logged.Logger()), WithCapacity(2)), gintest.OK)
	for _, client := range []string{"203.0.113.1:1", "203.0.113.2:1", "203.0.113.3:1", "203.0.113.4:1"} {
		assert.Equal(t, 200, gintest.Request(r, "GET", "/x", client).Code)
	}
	assert.Equal(t, 200, gintest.Request(r, "GET", "/x", "203.0.113.1:1").Code, "its mark was given up")
	assert.Equal(t, []string{"GL7"}, logged.Codes())
	assert.InDelta(t, 2, logged.Entries()[0]["capacity"], 0)
}

// TestGL11 refuses scripts to a client, which needs them for refunds and limits above 1.
func TestGL11(t *testing.T) {
	for name, test := range map[string]struct {
		opts []Option
		want []int // by request, without a script
	}{
		"a limit above 1": {[]Option{WithLimit(2)}, []int{200, 200, 429}}, // by this process's own marks
		"a refund":        {[]Option{WithRefund(func(*gin.Context) bool { return true })}, []int{200, 429, 429}},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			require.NoError(t, server.Client().Do(t.Context(), "acl", "setuser", "default", "-evalsha", "-eval").Err())
			logged := &gintest.Log{}
			r := gintest.NewRouter()
			opts := append(test.opts, WithLogger(logged.Logger()), WithTimeout(5*time.Second), WithInterval(time.Hour))
			r.GET("/x", New(append(opts, WithRedis(redistest.Dial(t, server.Addr())))...), gintest.OK)
			for _, want := range test.want {
				assert.Equal(t, want, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			}
			assert.Equal(t, []string{"GL11"}, logged.Codes(), "said once, and no outage")
			assert.Contains(t, logged.Entries()[0]["error"], "NOPERM")
		})
	}
}

func TestWarningsGoToTheDefaultLoggerOfTheMoment(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	limit := New()
	logged := &gintest.Log{}
	slog.SetDefault(slog.New(slog.NewJSONHandler(logged, nil)))
	r := gin.New()
	r.GET("/x", limit)
	gintest.Request(r, "GET", "/x", gintest.Alice)
	assert.Equal(t, []string{"GL1"}, logged.Codes())
	assert.Equal(t, "ginlimit", logged.Entries()[0]["policy"])
}
