package test

import (
	"context"
	"io"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(workerEnv); addr != "" {
		work(addr)
		return
	}
	m.Run()
}

func TestOneRequestPerIntervalRouteAndClient(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		r := Router()
		limit := New(With(where, WithInterval(10*time.Second))...)
		r.POST("/pay", limit, OK)
		r.POST("/refund/:id", limit, OK)

		first := Request(r, "POST", "/pay", Alice)
		assert.Equal(t, 200, first.Code)
		assert.Equal(t, "done", first.Body.String())
		assert.Empty(t, first.Header().Get("Retry-After"))

		again := Request(r, "POST", "/pay", Alice)
		assert.Equal(t, 429, again.Code)
		assert.Equal(t, "10", again.Header().Get("Retry-After"))
		assert.Empty(t, again.Body.String())

		assert.Equal(t, 200, Request(r, "POST", "/pay", Bob).Code, "another client")
		assert.Equal(t, 200, Request(r, "POST", "/refund/1", Alice).Code, "another route")
		assert.Equal(t, 429, Request(r, "POST", "/refund/2", Alice).Code, "the same route with another parameter")
	})
}

func TestScopes(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		for _, test := range []struct {
			scope                   Scope
			otherClient, otherRoute int
		}{
			{PathAndIP, 200, 200},
			{PathOnly, 429, 200},
			{IPOnly, 200, 429},
		} {
			t.Run(test.scope.String(), func(t *testing.T) {
				r := Router()
				limit := New(With(where, WithScope(test.scope), WithPrefix(test.scope.String()), WithInterval(time.Minute))...)
				r.GET("/a", limit, OK)
				r.GET("/b", limit, OK)
				require.Equal(t, 200, Request(r, "GET", "/a", Alice).Code)
				assert.Equal(t, 429, Request(r, "GET", "/a", Alice).Code)
				assert.Equal(t, test.otherClient, Request(r, "GET", "/a", Bob).Code, "another client")
				assert.Equal(t, test.otherRoute, Request(r, "GET", "/b", Alice).Code, "another route")
			})
		}
	})
}

func TestGroupGivesEachRouteItsOwnMarks(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		r := Router()
		api := r.Group("/api", New(where...))
		api.GET("/a", OK)
		api.GET("/b", OK)
		assert.Equal(t, 200, Request(r, "GET", "/api/a", Alice).Code)
		assert.Equal(t, 200, Request(r, "GET", "/api/b", Alice).Code)
		assert.Equal(t, 429, Request(r, "GET", "/api/a", Alice).Code)
	})
}

func TestARequestIsNeverDeniedByItsOwnMark(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		for _, limit := range []int{1, 2} {
			decisions := 0
			opts := With(where, WithLimit(limit), WithObserver(func(*gin.Context, Decision) { decisions++ }))
			one := New(opts...)
			r := Router()
			r.Group("/same", one).GET("/x", one, OK)
			r.Group("/equal", one).GET("/x", New(opts...), OK)
			for _, path := range []string{"/same/x", "/equal/x"} {
				decisions = 0
				for range limit {
					assert.Equal(t, 200, Request(r, "GET", path, Alice).Code, path)
				}
				assert.Equal(t, 429, Request(r, "GET", path, Alice).Code, path)
				assert.Equal(t, limit+1, decisions, "each request is observed once")
			}
		}
	})
}

func TestHandleContextStartsANewRequest(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		r := Router()
		limit := New(where...)
		r.GET("/old", limit, func(c *gin.Context) {
			c.Request.URL.Path = "/new"
			r.HandleContext(c)
		})
		r.GET("/new", limit, OK)
		assert.Equal(t, "done", Request(r, "GET", "/old", Alice).Body.String())
		assert.Equal(t, 429, Request(r, "GET", "/new", Alice).Code, "the second half left a mark of its own")
	})
}

func TestStackedLimitersDoNotSeeEachOthersMarks(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		r := Router()
		r.GET("/x", New(With(where, WithInterval(time.Second))...),
			New(With(where, WithInterval(time.Minute), WithLimit(3))...), OK)
		assert.Equal(t, 200, Request(r, "GET", "/x", Alice).Code)
		denied := Request(r, "GET", "/x", Alice)
		assert.Equal(t, 429, denied.Code)
		assert.Equal(t, "1", denied.Header().Get("Retry-After"), "the first limiter denied")
	})
}

func TestStackedLimitersOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := Router()
		r.GET("/x", New(Quiet, WithInterval(time.Second)), New(Quiet, WithInterval(time.Minute), WithLimit(3)), OK)
		for range 3 {
			assert.Equal(t, 200, Request(r, "GET", "/x", Alice).Code)
			assert.Equal(t, 429, Request(r, "GET", "/x", Alice).Code)
			time.Sleep(time.Second)
		}
		denied := Request(r, "GET", "/x", Alice)
		assert.Equal(t, 429, denied.Code)
		assert.Equal(t, "57", denied.Header().Get("Retry-After"))
		time.Sleep(57 * time.Second)
		assert.Equal(t, 200, Request(r, "GET", "/x", Alice).Code)
	})
}

func TestMarksExpireToTheMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, interval := range []time.Duration{50 * time.Millisecond, 1900 * time.Millisecond, 3 * time.Second} {
			r := Router()
			r.GET("/x", New(Quiet, WithInterval(interval)), OK)
			require.Equal(t, 200, Request(r, "GET", "/x", Alice).Code)
			time.Sleep(interval - 1)
			assert.Equal(t, 429, Request(r, "GET", "/x", Alice).Code)
			time.Sleep(1)
			assert.Equal(t, 200, Request(r, "GET", "/x", Alice).Code, "a denied request never extends the mark")
		}
	})
}

func TestDeniedFunctionCanNeitherForgetNorRunTheHandlers(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		for name, denied := range map[string]func(*gin.Context, Decision){
			"writes nothing": func(*gin.Context, Decision) {},
			"calls Next":     func(c *gin.Context, _ Decision) { c.Next() },
			"panics":         func(*gin.Context, Decision) { panic("denied") },
		} {
			t.Run(name, func(t *testing.T) {
				ran := 0
				r := Router()
				r.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.Abort() }))
				r.GET("/x/:n", New(With(where, WithDenied(denied), WithPrefix(name[:5]))...), func(c *gin.Context) { ran++ })
				Request(r, "GET", "/x/1", Alice)
				again := Request(r, "GET", "/x/2", Alice)
				assert.Equal(t, 429, again.Code)
				assert.Equal(t, "3", again.Header().Get("Retry-After"))
				assert.Equal(t, 1, ran)
			})
		}
	})
}

func TestDeniedFunctionWritesTheAnswer(t *testing.T) {
	r := Router()
	r.GET("/x", New(Quiet, WithDenied(func(c *gin.Context, d Decision) {
		c.JSON(c.Writer.Status(), gin.H{"after": d.RetryAfter.Seconds()})
	})), OK)
	Request(r, "GET", "/x", Alice)
	again := Request(r, "GET", "/x", Alice)
	assert.Equal(t, 429, again.Code)
	assert.Contains(t, again.Body.String(), `"after":2.9`)
}

func TestDecision(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		var got []Decision
		r := Router()
		r.GET("/x", New(With(where, WithLimit(2), WithInterval(90*time.Second), WithPrefix("shop"),
			WithObserver(func(_ *gin.Context, d Decision) { got = append(got, d) }))...), OK)
		for range 3 {
			Request(r, "GET", "/x", Alice)
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
	Everywhere(t, func(t *testing.T, where ...Option) {
		r := Router()
		r.GET("/x", New(where...), OK)
		gone, hangUp := context.WithCancel(context.Background())
		hangUp()
		w := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(gone, "GET", "/x", nil)
		req.RemoteAddr = Alice
		r.ServeHTTP(w, req)
		assert.Equal(t, 200, w.Code)
		assert.Equal(t, 429, Request(r, "GET", "/x", Alice).Code)
	})
}

func TestStrings(t *testing.T) {
	assert.Equal(t, "allowed denied unavailable 3", Allowed.String()+" "+Denied.String()+" "+Unavailable.String()+" "+Outcome(3).String())
	assert.Equal(t, "redis memory cache -1", FromRedis.String()+" "+FromMemory.String()+" "+FromCache.String()+" "+Source(-1).String())
	assert.Equal(t, "FailLocal FailOpen FailClosed", FailLocal.String()+" "+FailOpen.String()+" "+FailClosed.String())
}
