package ginlimit

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	if addr := os.Getenv(workerEnv); addr != "" {
		work(addr)
		return
	}
	m.Run()
}

var quiet = WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))

// newRouter returns an engine without trusted proxies.
func gintest.NewRouter() *gin.Engine {
	r := gin.New()
	if err := r.SetTrustedProxies(nil); err != nil {
		panic(err)
	}
	return r
}

func ok(c *gin.Context) { c.String(http.StatusOK, "done") }

// request sends a request from an address, "ip:port", and returns the response.
func gintest.Request(h http.Handler, method, path, from string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, nil)
	req.RemoteAddr = from
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

const (
	gintest.Alice = "203.0.113.7:1000"
	gintest.Bob   = "203.0.113.8:2000"
)

// everywhere runs a test with marks in this process and with marks in a real Redis.
func everywhere(t *testing.T, test func(t *testing.T, where ...Option)) {
	t.Run("memory", func(t *testing.T) { test(t, quiet) })
	t.Run("redis", func(t *testing.T) {
		test(t, quiet, WithRedis(redistest.Dial(t, redistest.Start(t).Addr())), WithTimeout(5*time.Second))
	})
}

func newClient(t testing.TB, addr string) *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// with returns the options of a test after those that say where marks live.
func with(where []Option, opts ...Option) []Option {
	return append(append([]Option{}, where...), opts...)
}

func TestOneRequestPerIntervalRouteAndClient(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := gintest.NewRouter()
		limit := New(with(where, WithInterval(10*time.Second))...)
		r.POST("/pay", limit, gintest.OK)
		r.POST("/refund/:id", limit, gintest.OK)

		first := gintest.Request(r, "POST", "/pay", gintest.Alice)
		assert.Equal(t, 200, first.Code)
		assert.Equal(t, "done", first.Body.String())
		assert.Empty(t, first.Header().Get("Retry-After"))

		again := gintest.Request(r, "POST", "/pay", gintest.Alice)
		assert.Equal(t, 429, again.Code)
		assert.Equal(t, "10", again.Header().Get("Retry-After"))
		assert.Empty(t, again.Body.String())

		assert.Equal(t, 200, gintest.Request(r, "POST", "/pay", gintest.Bob).Code, "another client")
		assert.Equal(t, 200, gintest.Request(r, "POST", "/refund/1", gintest.Alice).Code, "another route")
		assert.Equal(t, 429, gintest.Request(r, "POST", "/refund/2", gintest.Alice).Code, "the same route with another parameter")
	})
}

func TestScopes(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		for _, test := range []struct {
			scope                   Scope
			otherClient, otherRoute int
		}{
			{PathAndIP, 200, 200},
			{PathOnly, 429, 200},
			{IPOnly, 200, 429},
		} {
			t.Run(test.scope.String(), func(t *testing.T) {
				r := gintest.NewRouter()
				limit := New(with(where, WithScope(test.scope), WithPrefix(test.scope.String()), WithInterval(time.Minute))...)
				r.GET("/a", limit, gintest.OK)
				r.GET("/b", limit, gintest.OK)
				require.Equal(t, 200, gintest.Request(r, "GET", "/a", gintest.Alice).Code)
				assert.Equal(t, 429, gintest.Request(r, "GET", "/a", gintest.Alice).Code)
				assert.Equal(t, test.otherClient, gintest.Request(r, "GET", "/a", gintest.Bob).Code, "another client")
				assert.Equal(t, test.otherRoute, gintest.Request(r, "GET", "/b", gintest.Alice).Code, "another route")
			})
		}
	})
}

func TestGroupGivesEachRouteItsOwnMarks(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := gintest.NewRouter()
		api := r.Group("/api", New(where...))
		api.GET("/a", gintest.OK)
		api.GET("/b", gintest.OK)
		assert.Equal(t, 200, gintest.Request(r, "GET", "/api/a", gintest.Alice).Code)
		assert.Equal(t, 200, gintest.Request(r, "GET", "/api/b", gintest.Alice).Code)
		assert.Equal(t, 429, gintest.Request(r, "GET", "/api/a", gintest.Alice).Code)
	})
}

func TestARequestIsNeverDeniedByItsOwnMark(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		for _, limit := range []int{1, 2} {
			decisions := 0
			opts := with(where, WithLimit(limit), WithObserver(func(*gin.Context, Decision) { decisions++ }))
			one := New(opts...)
			r := gintest.NewRouter()
			r.Group("/same", one).GET("/x", one, gintest.OK)
			r.Group("/equal", one).GET("/x", New(opts...), gintest.OK)
			for _, path := range []string{"/same/x", "/equal/x"} {
				decisions = 0
				for range limit {
					assert.Equal(t, 200, gintest.Request(r, "GET", path, gintest.Alice).Code, path)
				}
				assert.Equal(t, 429, gintest.Request(r, "GET", path, gintest.Alice).Code, path)
				assert.Equal(t, limit+1, decisions, "each request is observed once")
			}
		}
	})
}

func TestHandleContextStartsANewRequest(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := gintest.NewRouter()
		limit := New(where...)
		r.GET("/old", limit, func(c *gin.Context) {
			c.Request.URL.Path = "/new"
			r.HandleContext(c)
		})
		r.GET("/new", limit, gintest.OK)
		assert.Equal(t, "done", gintest.Request(r, "GET", "/old", gintest.Alice).Body.String())
		assert.Equal(t, 429, gintest.Request(r, "GET", "/new", gintest.Alice).Code, "the second half left a mark of its own")
	})
}

func TestStackedLimitersDoNotSeeEachOthersMarks(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := gintest.NewRouter()
		r.GET("/x", New(with(where, WithInterval(time.Second))...),
			New(with(where, WithInterval(time.Minute), WithLimit(3))...), gintest.OK)
		assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
		denied := gintest.Request(r, "GET", "/x", gintest.Alice)
		assert.Equal(t, 429, denied.Code)
		assert.Equal(t, "1", denied.Header().Get("Retry-After"), "the first limiter denied")
	})
}

func TestStackedLimitersOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := gintest.NewRouter()
		r.GET("/x", New(quiet, WithInterval(time.Second)), New(quiet, WithInterval(time.Minute), WithLimit(3)), gintest.OK)
		for range 3 {
			assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			assert.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			time.Sleep(time.Second)
		}
		denied := gintest.Request(r, "GET", "/x", gintest.Alice)
		assert.Equal(t, 429, denied.Code)
		assert.Equal(t, "57", denied.Header().Get("Retry-After"))
		time.Sleep(57 * time.Second)
		assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
	})
}

func TestMarksExpireToTheMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, interval := range []time.Duration{50 * time.Millisecond, 1900 * time.Millisecond, 3 * time.Second} {
			r := gintest.NewRouter()
			r.GET("/x", New(quiet, WithInterval(interval)), gintest.OK)
			require.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			time.Sleep(interval - 1)
			assert.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			time.Sleep(1)
			assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code, "a denied request never extends the mark")
		}
	})
}

func TestDeniedFunctionCanNeitherForgetNorRunTheHandlers(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		for name, denied := range map[string]func(*gin.Context, Decision){
			"writes nothing": func(*gin.Context, Decision) {},
			"calls Next":     func(c *gin.Context, _ Decision) { c.Next() },
			"panics":         func(*gin.Context, Decision) { panic("denied") },
		} {
			t.Run(name, func(t *testing.T) {
				ran := 0
				r := gintest.NewRouter()
				r.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.Abort() }))
				r.GET("/x/:n", New(with(where, WithDenied(denied), WithPrefix(name[:5]))...), func(c *gin.Context) { ran++ })
				gintest.Request(r, "GET", "/x/1", gintest.Alice)
				again := gintest.Request(r, "GET", "/x/2", gintest.Alice)
				assert.Equal(t, 429, again.Code)
				assert.Equal(t, "3", again.Header().Get("Retry-After"))
				assert.Equal(t, 1, ran)
			})
		}
	})
}

func TestDeniedFunctionWritesTheAnswer(t *testing.T) {
	r := gintest.NewRouter()
	r.GET("/x", New(quiet, WithDenied(func(c *gin.Context, d Decision) {
		c.JSON(c.Writer.Status(), gin.H{"after": d.RetryAfter.Seconds()})
	})), gintest.OK)
	gintest.Request(r, "GET", "/x", gintest.Alice)
	again := gintest.Request(r, "GET", "/x", gintest.Alice)
	assert.Equal(t, 429, again.Code)
	assert.Contains(t, again.Body.String(), `"after":2.9`)
}

func TestDecision(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		var got []Decision
		r := gintest.NewRouter()
		r.GET("/x", New(with(where, WithLimit(2), WithInterval(90*time.Second), WithPrefix("shop"),
			WithObserver(func(_ *gin.Context, d Decision) { got = append(got, d) }))...), gintest.OK)
		for range 3 {
			gintest.Request(r, "GET", "/x", gintest.Alice)
		}
		require.Len(t, got, 3)
		for i, want := range []struct {
			outcome   Outcome
			remaining int
		}{{Allowed, 1}, {Allowed, 0}, {Denied, 0}} {
			d := got[i]
			assert.Equal(t, want.outcome, d.Outcome)
			assert.Equal(t, want.remaining, d.Remaining)
			assert.Equal(t, "shop", d.Policy)
			assert.Equal(t, "shop:2/90s:/x:ip=203.0.113.7", d.Key)
			assert.Equal(t, 2, d.Limit)
			assert.Equal(t, 90*time.Second, d.Interval)
			assert.NoError(t, d.Err)
			assert.False(t, d.DryRun)
			if d.Remaining > 0 {
				assert.Zero(t, d.RetryAfter)
			} else {
				assert.InDelta(t, 90, d.RetryAfter.Seconds(), 30)
			}
		}
	})
}

func TestHangingUpAtOnceIsCounted(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := gintest.NewRouter()
		r.GET("/x", New(where...), gintest.OK)
		gone, hangUp := context.WithCancel(context.Background())
		hangUp()
		w := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(gone, "GET", "/x", nil)
		req.RemoteAddr = gintest.Alice
		r.ServeHTTP(w, req)
		assert.Equal(t, 200, w.Code)
		assert.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
	})
}

func TestStrings(t *testing.T) {
	assert.Equal(t, "allowed denied unavailable 3", Allowed.String()+" "+Denied.String()+" "+Unavailable.String()+" "+Outcome(3).String())
	assert.Equal(t, "redis memory cache -1", Redis.String()+" "+Memory.String()+" "+Cache.String()+" "+Source(-1).String())
	assert.Equal(t, "FailLocal FailOpen FailClosed", FailLocal.String()+" "+FailOpen.String()+" "+FailClosed.String())
}
