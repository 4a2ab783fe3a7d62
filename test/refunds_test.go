package test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
)

// refunds counts how often it is asked, and says yes where the handlers answered with a server's error.
type refunds struct{ asked int }

func (r *refunds) option() ginlimit.Option {
	return ginlimit.WithRefund(func(c *gin.Context) bool {
		r.asked++
		return c.Writer.Status() >= 500
	})
}

func TestARefundTakesTheMarkBack(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		for _, limit := range []int{1, 2} {
			var refunds refunds
			r := gintest.NewRouter()
			limiter := ginlimit.New(with(where, ginlimit.WithLimit(limit), ginlimit.WithInterval(time.Hour), refunds.option())...)
			r.POST("/fails", limiter, gintest.Status(502))
			r.POST("/works", limiter, gintest.Status(200))
			for range 5 {
				w := gintest.Request(r, "POST", "/fails", gintest.Alice)
				require.Equal(t, 502, w.Code)
				require.Equal(t, "answer", w.Body.String())
			}
			for range limit {
				require.Equal(t, 200, gintest.Request(r, "POST", "/works", gintest.Alice).Code)
			}
			require.Equal(t, 429, gintest.Request(r, "POST", "/works", gintest.Alice).Code, "its mark was kept")
			assert.Equal(t, 5+limit, refunds.asked, "not for the denied request")
		}
	})
}

func TestARefundTakesNobodyElsesMark(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		var refunds refunds
		var last ginlimit.Decision
		r := gintest.NewRouter()
		r.POST("/:status", ginlimit.New(with(where, ginlimit.WithScope(ginlimit.PathOnly), ginlimit.WithLimit(3), ginlimit.WithInterval(time.Hour), refunds.option(),
			ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { last = d }))...), func(c *gin.Context) {
			gintest.Status(map[string]int{"ok": 200, "bad": 500}[c.Param("status")])(c)
		})
		gintest.Request(r, "POST", "/ok", gintest.Alice)
		gintest.Request(r, "POST", "/bad", gintest.Bob)
		gintest.Request(r, "POST", "/ok", gintest.Bob)
		assert.Equal(t, 1, last.Remaining, "of 3 marks, bob's first came back and gintest.Alice's stayed")
	})
}

func TestAPanicAndAClientThatHungUpKeepTheMark(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		var refunds refunds
		r := gintest.NewRouter()
		r.Use(gin.RecoveryWithWriter(io.Discard))
		limiter := ginlimit.New(with(where, ginlimit.WithInterval(time.Hour), refunds.option())...)
		r.POST("/panics", limiter, func(*gin.Context) { panic("handler") })
		require.Equal(t, 500, gintest.Request(r, "POST", "/panics", gintest.Alice).Code)
		assert.Equal(t, 429, gintest.Request(r, "POST", "/panics", gintest.Alice).Code)

		gone, hangUp := context.WithCancel(context.Background())
		r.POST("/left", limiter, func(c *gin.Context) { hangUp(); gintest.Status(500)(c) })
		req := httptest.NewRequestWithContext(gone, "POST", "/left", nil)
		req.RemoteAddr = gintest.Alice
		r.ServeHTTP(httptest.NewRecorder(), req)
		assert.Equal(t, 429, gintest.Request(r, "POST", "/left", gintest.Alice).Code)
		assert.Zero(t, refunds.asked)
	})
}

func TestARefundThatPanicsKeepsTheMark(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		r := gintest.NewRouter()
		r.Use(gin.RecoveryWithWriter(io.Discard))
		r.POST("/x", ginlimit.New(with(where, ginlimit.WithInterval(time.Hour), ginlimit.WithRefund(func(*gin.Context) bool { panic("refund") }))...), gintest.OK)
		gintest.Request(r, "POST", "/x", gintest.Alice)
		assert.Equal(t, 429, gintest.Request(r, "POST", "/x", gintest.Alice).Code)
	})
}

func TestMountedTwiceARefundIsAskedOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		var refunds refunds
		opts := with(where, ginlimit.WithInterval(time.Hour), ginlimit.WithLimit(2), refunds.option())
		one := ginlimit.New(opts...)
		r := gintest.NewRouter()
		r.Group("/a", one).POST("/x", one, gintest.Status(500))
		r.Group("/b", one).POST("/x", ginlimit.New(opts...), gintest.Status(500))
		want := 2
		if strings.Contains(t.Name(), "memory") { // each New has marks of its own there, also to take back
			want = 3
		}
		for i := range 3 {
			for _, path := range []string{"/a/x", "/b/x"} {
				require.Equal(t, 500, gintest.Request(r, "POST", path, gintest.Alice).Code)
			}
			assert.Equal(t, want*(i+1), refunds.asked)
		}
	})
}

func TestStackedLimitersRefundEachTheirOwn(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		var refunds refunds
		r := gintest.NewRouter()
		r.POST("/x", ginlimit.New(with(where, ginlimit.WithInterval(time.Hour), refunds.option())...),
			ginlimit.New(with(where, ginlimit.WithInterval(2*time.Hour))...), gintest.Status(500))
		require.Equal(t, 500, gintest.Request(r, "POST", "/x", gintest.Alice).Code)
		denied := gintest.Request(r, "POST", "/x", gintest.Alice)
		assert.Equal(t, 429, denied.Code)
		assert.Equal(t, "7200", denied.Header().Get("Retry-After"), "by the second, which keeps its mark")
	})
}

func TestADryRunRefundsItsOwnMarksOnly(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		var refunds refunds
		var outcomes []ginlimit.Outcome
		r := gintest.NewRouter()
		limiter := ginlimit.New(with(where, ginlimit.WithInterval(time.Hour), ginlimit.WithDryRun(), refunds.option(),
			ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { outcomes = append(outcomes, d.Outcome) }))...)
		r.POST("/:status", limiter, func(c *gin.Context) {
			gintest.Status(map[string]int{"ok": 200, "bad": 500}[c.Param("status")])(c)
		})
		gintest.Request(r, "POST", "/bad", gintest.Alice) // allowed, and taken back
		gintest.Request(r, "POST", "/ok", gintest.Alice)  // allowed
		gintest.Request(r, "POST", "/bad", gintest.Alice) // would have been denied, so has no mark to take back
		gintest.Request(r, "POST", "/bad", gintest.Alice)
		assert.Equal(t, []ginlimit.Outcome{ginlimit.Allowed, ginlimit.Allowed, ginlimit.Denied, ginlimit.Denied}, outcomes)
		assert.Equal(t, 2, refunds.asked)
	})
}

func TestHalfOfAThousandRefundedLeavesTheOthers(t *testing.T) {
	refund := ginlimit.WithRefund(func(c *gin.Context) bool { return c.Query("keep") == "" })
	thousand := func(limiter *ginlimit.Limiter) *gin.Engine {
		r := gintest.NewRouter()
		r.POST("/x", limiter.Handle, gintest.OK)
		r.GET("/x", func(c *gin.Context) {
			d := limiter.Peek(c)
			c.String(200, "%s %d", d.Outcome, d.Remaining)
		})
		var requests sync.WaitGroup
		for i := range 1000 {
			requests.Go(func() {
				path := []string{"/x?keep=1", "/x"}[i%2]
				assert.Equal(t, 200, gintest.Request(r, "POST", path, fmt.Sprintf("10.0.%d.%d:1", i/250, i%250)).Code)
			})
		}
		requests.Wait()
		return r
	}
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		r := thousand(ginlimit.NewLimiter(with(where, refund, ginlimit.WithInterval(time.Hour), ginlimit.WithScope(ginlimit.PathOnly),
			ginlimit.WithLimit(1000))...))
		assert.Equal(t, "allowed 499", gintest.Request(r, "GET", "/x", gintest.Alice).Body.String(), "of all clients' shared limit")

		r = thousand(ginlimit.NewLimiter(with(where, refund, ginlimit.WithInterval(time.Hour))...))
		for i := range 1000 {
			from := fmt.Sprintf("10.0.%d.%d:1", i/250, i%250)
			want := []string{"denied 0", "allowed 0"}[i%2]
			assert.Equal(t, want, gintest.Request(r, "GET", "/x", from).Body.String(), from)
		}
	})
}
