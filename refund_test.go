package ginlimit

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// refunds counts how often it is asked, and says yes where the handlers answered with a server's error.
type refunds struct{ asked int }

func (r *refunds) option() Option {
	return WithRefund(func(c *gin.Context) bool {
		r.asked++
		return c.Writer.Status() >= 500
	})
}

func status(code int) gin.HandlerFunc { return func(c *gin.Context) { c.String(code, "answer") } }

func TestARefundTakesTheMarkBack(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		for _, limit := range []int{1, 2} {
			var refunds refunds
			r := newRouter()
			limiter := New(with(where, WithLimit(limit), WithInterval(time.Hour), refunds.option())...)
			r.POST("/fails", limiter, status(502))
			r.POST("/works", limiter, status(200))
			for range 5 {
				w := request(r, "POST", "/fails", alice)
				require.Equal(t, 502, w.Code)
				require.Equal(t, "answer", w.Body.String())
			}
			for range limit {
				require.Equal(t, 200, request(r, "POST", "/works", alice).Code)
			}
			require.Equal(t, 429, request(r, "POST", "/works", alice).Code, "its mark was kept")
			assert.Equal(t, 5+limit, refunds.asked, "not for the denied request")
		}
	})
}

func TestARefundTakesNobodyElsesMark(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		var last Decision
		r := newRouter()
		r.POST("/:status", New(with(where, WithScope(PathOnly), WithLimit(3), WithInterval(time.Hour), refunds.option(),
			WithObserver(func(_ *gin.Context, d Decision) { last = d }))...), func(c *gin.Context) {
			status(map[string]int{"ok": 200, "bad": 500}[c.Param("status")])(c)
		})
		request(r, "POST", "/ok", alice)
		request(r, "POST", "/bad", bob)
		request(r, "POST", "/ok", bob)
		assert.Equal(t, 1, last.Remaining, "of 3 marks, bob's first came back and alice's stayed")
	})
}

func TestAPanicAndAClientThatHungUpKeepTheMark(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		r := newRouter()
		r.Use(gin.RecoveryWithWriter(io.Discard))
		limiter := New(with(where, WithInterval(time.Hour), refunds.option())...)
		r.POST("/panics", limiter, func(*gin.Context) { panic("handler") })
		require.Equal(t, 500, request(r, "POST", "/panics", alice).Code)
		assert.Equal(t, 429, request(r, "POST", "/panics", alice).Code)

		gone, hangUp := context.WithCancel(context.Background())
		r.POST("/left", limiter, func(c *gin.Context) { hangUp(); status(500)(c) })
		req := httptest.NewRequestWithContext(gone, "POST", "/left", nil)
		req.RemoteAddr = alice
		r.ServeHTTP(httptest.NewRecorder(), req)
		assert.Equal(t, 429, request(r, "POST", "/left", alice).Code)
		assert.Zero(t, refunds.asked)
	})
}

func TestAfterTheServersOwnDeadlineARefundIsAsked(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		r := newRouter()
		r.Use(func(c *gin.Context) {
			ctx, cancel := context.WithDeadline(c.Request.Context(), time.Now())
			defer cancel()
			c.Request = c.Request.WithContext(ctx)
			c.Next()
		})
		r.POST("/slow", New(with(where, WithInterval(time.Hour), refunds.option())...), status(504))
		for range 2 {
			require.Equal(t, 504, request(r, "POST", "/slow", alice).Code)
		}
		assert.Equal(t, 2, refunds.asked)
	})
}

func TestARefundThatPanicsKeepsTheMark(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := newRouter()
		r.Use(gin.RecoveryWithWriter(io.Discard))
		r.POST("/x", New(with(where, WithInterval(time.Hour), WithRefund(func(*gin.Context) bool { panic("refund") }))...), ok)
		request(r, "POST", "/x", alice)
		assert.Equal(t, 429, request(r, "POST", "/x", alice).Code)
	})
}

func TestMountedTwiceARefundIsAskedOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		opts := with(where, WithInterval(time.Hour), WithLimit(2), refunds.option())
		one := New(opts...)
		r := newRouter()
		r.Group("/a", one).POST("/x", one, status(500))
		r.Group("/b", one).POST("/x", New(opts...), status(500))
		for i := range 3 {
			for _, path := range []string{"/a/x", "/b/x"} {
				require.Equal(t, 500, request(r, "POST", path, alice).Code)
			}
			assert.Equal(t, 2*(i+1), refunds.asked)
		}
	})
}

func TestStackedLimitersRefundEachTheirOwn(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		r := newRouter()
		r.POST("/x", New(with(where, WithInterval(time.Hour), refunds.option())...),
			New(with(where, WithInterval(2*time.Hour))...), status(500))
		require.Equal(t, 500, request(r, "POST", "/x", alice).Code)
		denied := request(r, "POST", "/x", alice)
		assert.Equal(t, 429, denied.Code)
		assert.Equal(t, "7200", denied.Header().Get("Retry-After"), "by the second, which keeps its mark")
	})
}

func TestADryRunRefundsItsOwnMarksOnly(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		var outcomes []Outcome
		r := newRouter()
		limiter := New(with(where, WithInterval(time.Hour), WithDryRun(), refunds.option(),
			WithObserver(func(_ *gin.Context, d Decision) { outcomes = append(outcomes, d.Outcome) }))...)
		r.POST("/:status", limiter, func(c *gin.Context) {
			status(map[string]int{"ok": 200, "bad": 500}[c.Param("status")])(c)
		})
		request(r, "POST", "/bad", alice) // allowed, and taken back
		request(r, "POST", "/ok", alice)  // allowed
		request(r, "POST", "/bad", alice) // would have been denied, so has no mark to take back
		request(r, "POST", "/bad", alice)
		assert.Equal(t, []Outcome{Allowed, Allowed, Denied, Denied}, outcomes)
		assert.Equal(t, 2, refunds.asked)
	})
}

func TestHalfOfAThousandRefundedLeavesTheOthers(t *testing.T) {
	server := redistest.Start(t)
	refund := WithRefund(func(c *gin.Context) bool { return c.Query("keep") == "" })
	run := func(opts ...Option) {
		r := newRouter()
		r.POST("/x", New(append(opts, refund, WithInterval(time.Hour))...), ok)
		var requests sync.WaitGroup
		for i := range 1000 {
			requests.Go(func() {
				path := "/x"
				if i%2 == 0 {
					path = "/x?keep=1"
				}
				assert.Equal(t, 200, request(r, "POST", path, fmt.Sprintf("10.0.%d.%d:1", i/250, i%250)).Code)
			})
		}
		requests.Wait()
	}
	client := newClient(t, server.Addr())
	run(quiet, patient, WithRedis(client), WithScope(PathOnly), WithLimit(1000))
	assert.EqualValues(t, 500, client.ZCard(t.Context(), "ginlimit:1000/1h:/x:*").Val())

	run(quiet, patient, WithRedis(client))
	left := client.Keys(t.Context(), "ginlimit:1/1h:/x:ip=*").Val()
	assert.Len(t, left, 500)
	for _, key := range left {
		var a, b int
		_, err := fmt.Sscanf(key, "ginlimit:1/1h:/x:ip=10.0.%d.%d", &a, &b)
		require.NoError(t, err)
		assert.Zero(t, (250*a+b)%2, "%s was refunded", key)
	}

	inMemory := New(quiet, WithScope(PathOnly), WithLimit(1000), WithInterval(time.Hour), refund)
	r := newRouter()
	r.POST("/y", inMemory, ok)
	var requests sync.WaitGroup
	for i := range 1000 {
		requests.Go(func() { request(r, "POST", []string{"/y", "/y?keep=1"}[i%2], alice) })
	}
	requests.Wait()
	for range 500 {
		require.Equal(t, 200, request(r, "POST", "/y?keep=1", alice).Code)
	}
	require.Equal(t, 429, request(r, "POST", "/y", alice).Code)
}

// TestARefundThatFailsLeavesTheResponseAlone stops Redis between a request's mark and its refund.
func TestARefundThatFailsLeavesTheResponseAlone(t *testing.T) {
	for kind, honours := range map[string]bool{"honours deadlines": true, "default": false} {
		t.Run(kind, func(t *testing.T) {
			server := redistest.Start(t)
			client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: honours})
			defer client.Close()
			require.NoError(t, client.Ping(t.Context()).Err())
			logged := &log{}
			var refunds refunds
			r := newRouter()
			r.POST("/x", New(logged.option(), WithRedis(client), WithInterval(time.Hour), refunds.option()), func(c *gin.Context) {
				if refunds.asked == 0 {
					server.Pause()
				}
				status(502)(c)
			})
			start := time.Now()
			w := request(r, "POST", "/x", alice)
			assert.Less(t, time.Since(start), 200*time.Millisecond+margin)
			assert.Equal(t, 502, w.Code)
			assert.Equal(t, "answer", w.Body.String())
			assert.Equal(t, 1, refunds.asked)
			assert.True(t, slices.Contains(logged.codes(), "GL5"), "it counts as a failure of Redis")
			assert.Equal(t, 502, request(r, "POST", "/x", alice).Code, "this process's mark was taken back")
			server.Resume()
		})
	}
}

func TestAMarkMadeInRedissPlaceIsRefunded(t *testing.T) {
	for mode, asked := range map[Failure]int{FailLocal: 3, FailOpen: 0, FailClosed: 0} {
		t.Run(mode.String(), func(t *testing.T) {
			server := redistest.Start(t)
			server.Kill()
			var refunds refunds
			r := newRouter()
			r.POST("/x", New(quiet, WithRedis(newClient(t, server.Addr())), WithFailure(mode), WithInterval(time.Hour), refunds.option()),
				status(500))
			want := map[Failure]int{FailLocal: 500, FailOpen: 500, FailClosed: http.StatusServiceUnavailable}[mode]
			for range 3 {
				assert.Equal(t, want, request(r, "POST", "/x", alice).Code)
			}
			assert.Equal(t, asked, refunds.asked, "FailOpen and FailClosed leave no mark to take back")
		})
	}
}
