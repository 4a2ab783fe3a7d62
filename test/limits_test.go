package test

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// inMemoryAndRedis runs a test with marks in this process and in a real Redis.
func inMemoryAndRedis(t *testing.T, test func(t *testing.T, where ...ginlimit.Option)) {
	t.Run("memory", func(t *testing.T) { test(t, quiet) })
	t.Run("redis", func(t *testing.T) {
		test(t, quiet, patient, ginlimit.WithRedis(redistest.Dial(t, redistest.Start(t).Addr())))
	})
}

func number(parameter string) func(*gin.Context) int {
	return func(c *gin.Context) int {
		n, _ := strconv.Atoi(c.Query(parameter))
		return n
	}
}

// TestALimitThatChangesGoesOnCounting raises and lowers a client's limit under way.
func TestALimitThatChangesGoesOnCounting(t *testing.T) {
	inMemoryAndRedis(t, func(t *testing.T, where ...ginlimit.Option) {
		var last ginlimit.Decision
		r := gintest.NewRouter()
		r.GET("/x", ginlimit.New(append(where, ginlimit.WithLimitFunc(number("limit")), ginlimit.WithInterval(time.Hour),
			ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { last = d }))...), gintest.OK)
		ask := func(limit int) int {
			return gintest.Request(r, "GET", "/x?limit="+strconv.Itoa(limit), gintest.Alice).Code
		}
		for range 3 {
			require.Equal(t, 200, ask(3))
		}
		assert.Equal(t, 429, ask(3))
		assert.Equal(t, 200, ask(5), "raised")
		assert.Equal(t, 1, last.Remaining)
		assert.Equal(t, 429, ask(3), "lowered")
		assert.Equal(t, 200, ask(5))
		assert.Equal(t, 429, ask(5))
		assert.Equal(t, 429, ask(0))
		assert.Equal(t, 429, ask(-1))
		assert.Equal(t, time.Hour, last.RetryAfter, "never, by this limit")
		assert.Equal(t, 200, ask(math.MaxInt))
		assert.Equal(t, "ginlimit:*/1h:/x:ip=203.0.113.7", last.Key)
	})
}

// TestACostIsAllOrNothing holds for costs that fit, don't fit, can never fit, and cost nothing.
func TestACostIsAllOrNothing(t *testing.T) {
	inMemoryAndRedis(t, func(t *testing.T, where ...ginlimit.Option) {
		for _, limit := range []int{5, 200} {
			var last ginlimit.Decision
			r := gintest.NewRouter()
			r.GET("/x", ginlimit.New(append(where[:len(where):len(where)], ginlimit.WithLimit(limit), ginlimit.WithCost(number("cost")),
				ginlimit.WithInterval(time.Hour), ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { last = d }))...), gintest.OK)
			ask := func(cost int) int {
				return gintest.Request(r, "GET", "/x?cost="+strconv.Itoa(cost), gintest.Alice).Code
			}
			require.Equal(t, 200, ask(limit-1))
			assert.Equal(t, 1, last.Remaining)
			assert.Equal(t, limit-1, last.Cost)
			assert.Equal(t, 429, ask(2), "it leaves none of its marks")
			assert.InDelta(t, time.Hour.Seconds(), last.RetryAfter.Seconds(), 60)
			assert.Equal(t, 200, ask(1))
			assert.Zero(t, last.Remaining)
			assert.Equal(t, 200, ask(0), "free")
			assert.Equal(t, 429, ask(limit+1))
			assert.Equal(t, time.Hour, last.RetryAfter, "it never fits")
		}
	})
}

// TestPeekLeavesNothing looks at what a further request would get, again and again.
func TestPeekLeavesNothing(t *testing.T) {
	inMemoryAndRedis(t, func(t *testing.T, where ...ginlimit.Option) {
		for _, limit := range []int{1, 2, 200} {
			observed := 0
			limiter := ginlimit.NewLimiter(append(where[:len(where):len(where)], ginlimit.WithLimit(limit), ginlimit.WithInterval(time.Hour),
				ginlimit.WithObserver(func(*gin.Context, ginlimit.Decision) { observed++ }))...)
			r := gintest.NewRouter()
			var seen []ginlimit.Outcome
			r.GET("/x", func(c *gin.Context) { seen = append(seen, limiter.Peek(c).Outcome) }, limiter.Handle,
				func(c *gin.Context) { seen = append(seen, limiter.Peek(c).Outcome) })
			for i := range limit {
				seen = nil
				require.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
				after := ginlimit.Allowed
				if i == limit-1 {
					after = ginlimit.Denied
				}
				assert.Equal(t, []ginlimit.Outcome{ginlimit.Allowed, after}, seen, "limit %d, request %d", limit, i)
			}
			assert.Equal(t, limit, observed)
		}
	})
}
