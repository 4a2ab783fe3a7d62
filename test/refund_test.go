package test

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

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
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
	Everywhere(t, func(t *testing.T, where ...Option) {
		for _, limit := range []int{1, 2} {
			var refunds refunds
			r := Router()
			limiter := New(With(where, WithLimit(limit), WithInterval(time.Hour), refunds.option())...)
			r.POST("/fails", limiter, status(502))
			r.POST("/works", limiter, status(200))
			for range 5 {
				w := Request(r, "POST", "/fails", Alice)
				require.Equal(t, 502, w.Code)
				require.Equal(t, "answer", w.Body.String())
			}
			for range limit {
				require.Equal(t, 200, Request(r, "POST", "/works", Alice).Code)
			}
			require.Equal(t, 429, Request(r, "POST", "/works", Alice).Code, "its mark was kept")
			assert.Equal(t, 5+limit, refunds.asked, "not for the denied request")
		}
	})
}

func TestARefundTakesNobodyElsesMark(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		var last Decision
		r := Router()
		r.POST("/:status", New(With(where, WithScope(PathOnly), WithLimit(3), WithInterval(time.Hour), refunds.option(),
			WithObserver(func(_ *gin.Context, d Decision) { last = d }))...), func(c *gin.Context) {
			status(map[string]int{"ok": 200, "bad": 500}[c.Param("status")])(c)
		})
		Request(r, "POST", "/ok", Alice)
		Request(r, "POST", "/bad", Bob)
		Request(r, "POST", "/ok", Bob)
		assert.Equal(t, 1, last.Remaining, "of 3 marks, Bob's first came back and Alice's stayed")
	})
}

func TestAPanicAndAClientThatHungUpKeepTheMark(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		r := Router()
		r.Use(gin.RecoveryWithWriter(io.Discard))
		limiter := New(With(where, WithInterval(time.Hour), refunds.option())...)
		r.POST("/panics", limiter, func(*gin.Context) { panic("handler") })
		require.Equal(t, 500, Request(r, "POST", "/panics", Alice).Code)
		assert.Equal(t, 429, Request(r, "POST", "/panics", Alice).Code)

		gone, hangUp := context.WithCancel(context.Background())
		r.POST("/left", limiter, func(c *gin.Context) { hangUp(); status(500)(c) })
		req := httptest.NewRequestWithContext(gone, "POST", "/left", nil)
		req.RemoteAddr = Alice
		r.ServeHTTP(httptest.NewRecorder(), req)
		assert.Equal(t, 429, Request(r, "POST", "/left", Alice).Code)
		assert.Zero(t, refunds.asked)
	})
}

func TestARefundThatPanicsKeepsTheMark(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		r := Router()
		r.Use(gin.RecoveryWithWriter(io.Discard))
		r.POST("/x", New(With(where, WithInterval(time.Hour), WithRefund(func(*gin.Context) bool { panic("refund") }))...), OK)
		Request(r, "POST", "/x", Alice)
		assert.Equal(t, 429, Request(r, "POST", "/x", Alice).Code)
	})
}

func TestMountedTwiceARefundIsAskedOnce(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		opts := With(where, WithInterval(time.Hour), WithLimit(2), refunds.option())
		one := New(opts...)
		r := Router()
		r.Group("/a", one).POST("/x", one, status(500))
		r.Group("/b", one).POST("/x", New(opts...), status(500))
		for i := range 3 {
			for _, path := range []string{"/a/x", "/b/x"} {
				require.Equal(t, 500, Request(r, "POST", path, Alice).Code)
			}
			assert.Equal(t, 2*(i+1), refunds.asked)
		}
	})
}

func TestStackedLimitersRefundEachTheirOwn(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		r := Router()
		r.POST("/x", New(With(where, WithInterval(time.Hour), refunds.option())...),
			New(With(where, WithInterval(2*time.Hour))...), status(500))
		require.Equal(t, 500, Request(r, "POST", "/x", Alice).Code)
		denied := Request(r, "POST", "/x", Alice)
		assert.Equal(t, 429, denied.Code)
		assert.Equal(t, "7200", denied.Header().Get("Retry-After"), "by the second, which keeps its mark")
	})
}

func TestADryRunRefundsItsOwnMarksOnly(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		var refunds refunds
		var outcomes []Outcome
		r := Router()
		limiter := New(With(where, WithInterval(time.Hour), WithDryRun(), refunds.option(),
			WithObserver(func(_ *gin.Context, d Decision) { outcomes = append(outcomes, d.Outcome) }))...)
		r.POST("/:status", limiter, func(c *gin.Context) {
			status(map[string]int{"ok": 200, "bad": 500}[c.Param("status")])(c)
		})
		Request(r, "POST", "/bad", Alice) // allowed, and taken back
		Request(r, "POST", "/ok", Alice)  // allowed
		Request(r, "POST", "/bad", Alice) // would have been denied, so has no mark to take back
		Request(r, "POST", "/bad", Alice)
		assert.Equal(t, []Outcome{Allowed, Allowed, Denied, Denied}, outcomes)
		assert.Equal(t, 2, refunds.asked)
	})
}

func TestHalfOfAThousandRefundedLeavesTheOthers(t *testing.T) {
	server := redistest.Start(t)
	refund := WithRefund(func(c *gin.Context) bool { return c.Query("keep") == "" })
	run := func(opts ...Option) {
		r := Router()
		r.POST("/x", New(append(opts, refund, WithInterval(time.Hour))...), OK)
		var requests sync.WaitGroup
		for i := range 1000 {
			requests.Go(func() {
				path := "/x"
				if i%2 == 0 {
					path = "/x?keep=1"
				}
				assert.Equal(t, 200, Request(r, "POST", path, fmt.Sprintf("10.0.%d.%d:1", i/250, i%250)).Code)
			})
		}
		requests.Wait()
	}
	client := Client(t, server.Addr())
	run(Quiet, Patient, WithRedis(client), WithScope(PathOnly), WithLimit(1000))
	assert.EqualValues(t, 500, client.ZCard(t.Context(), "ginlimit:1000/1h:/x:*").Val())

	run(Quiet, Patient, WithRedis(client))
	left := client.Keys(t.Context(), "ginlimit:1/1h:/x:ip=*").Val()
	assert.Len(t, left, 500)
	for _, key := range left {
		var a, b int
		_, err := fmt.Sscanf(key, "ginlimit:1/1h:/x:ip=10.0.%d.%d", &a, &b)
		require.NoError(t, err)
		assert.Zero(t, (250*a+b)%2, "%s was refunded", key)
	}

	inMemory := New(Quiet, WithScope(PathOnly), WithLimit(1000), WithInterval(time.Hour), refund)
	r := Router()
	r.POST("/y", inMemory, OK)
	var requests sync.WaitGroup
	for i := range 1000 {
		requests.Go(func() { Request(r, "POST", []string{"/y", "/y?keep=1"}[i%2], Alice) })
	}
	requests.Wait()
	for range 500 {
		require.Equal(t, 200, Request(r, "POST", "/y?keep=1", Alice).Code)
	}
	require.Equal(t, 429, Request(r, "POST", "/y", Alice).Code)
}

// TestARefundThatFailsLeavesTheResponseAlone stops Redis between a request's mark and its refund.
func TestARefundThatFailsLeavesTheResponseAlone(t *testing.T) {
	for kind, honours := range map[string]bool{"honours deadlines": true, "default": false} {
		t.Run(kind, func(t *testing.T) {
			server := redistest.Start(t)
			client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: honours})
			defer client.Close()
			require.NoError(t, client.Ping(t.Context()).Err())
			logged := &Log{}
			var refunds refunds
			r := Router()
			r.POST("/x", New(logged.Option(), WithRedis(client), WithInterval(time.Hour), refunds.option()), func(c *gin.Context) {
				if refunds.asked == 0 {
					server.Pause()
				}
				status(502)(c)
			})
			start := time.Now()
			w := Request(r, "POST", "/x", Alice)
			assert.Less(t, time.Since(start), 200*time.Millisecond+Margin)
			assert.Equal(t, 502, w.Code)
			assert.Equal(t, "answer", w.Body.String())
			assert.Equal(t, 1, refunds.asked)
			assert.True(t, slices.Contains(logged.Codes(), "GL5"), "it counts as a failure of Redis")
			assert.Equal(t, 502, Request(r, "POST", "/x", Alice).Code, "this process's mark was taken back")
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
			r := Router()
			r.POST("/x", New(Quiet, WithRedis(Client(t, server.Addr())), WithFailure(mode), WithInterval(time.Hour), refunds.option()),
				status(500))
			want := map[Failure]int{FailLocal: 500, FailOpen: 500, FailClosed: http.StatusServiceUnavailable}[mode]
			for range 3 {
				assert.Equal(t, want, Request(r, "POST", "/x", Alice).Code)
			}
			assert.Equal(t, asked, refunds.asked, "FailOpen and FailClosed leave no mark to take back")
		})
	}
}
