package test

import (
	"io"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// observed collects decisions.
type observed []ginlimit.Decision

func (o *observed) option() ginlimit.Option {
	return ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { *o = append(*o, d) })
}

// next returns the one decision since the last time.
func (o *observed) next(t *testing.T) ginlimit.Decision {
	t.Helper()
	require.Len(t, *o, 1, "every decision is seen once")
	d := (*o)[0]
	*o = nil
	return d
}

func TestTheObserverSeesEveryDecisionOnce(t *testing.T) {
	for _, dry := range []bool{false, true} {
		server := redistest.Start(t)
		var seen observed
		opts := []ginlimit.Option{quiet, ginlimit.WithTimeout(time.Second), ginlimit.WithInterval(time.Hour), seen.option()}
		if dry {
			opts = append(opts, ginlimit.WithDryRun())
		}
		r := gintest.NewRouter()
		r.GET("/x", ginlimit.New(with(opts, ginlimit.WithRedis(redistest.Dial(t, server.Addr())),
			ginlimit.WithFailure(ginlimit.FailClosed))...), gintest.OK)
		expect := func(from string, code int, outcome ginlimit.Outcome, source ginlimit.Source) ginlimit.Decision {
			if dry {
				code = 200
			}
			require.Equal(t, code, gintest.Request(r, "GET", "/x", from).Code)
			d := seen.next(t)
			assert.Equal(t, outcome, d.Outcome)
			assert.Equal(t, source, d.Source)
			assert.Equal(t, dry, d.DryRun)
			return d
		}
		expect(gintest.Alice, 200, ginlimit.Allowed, ginlimit.FromRedis)
		expect(gintest.Alice, 429, ginlimit.Denied, ginlimit.FromCache)
		other := gintest.NewRouter()
		other.GET("/x", ginlimit.New(with(opts, ginlimit.WithRedis(redistest.Dial(t, server.Addr())))...), gintest.OK) // another process
		gintest.Request(other, "GET", "/x", gintest.Alice)
		assert.Equal(t, ginlimit.FromRedis, seen.next(t).Source)
		server.Kill()
		d := expect(gintest.Bob, 503, ginlimit.Unavailable, ginlimit.FromMemory)
		assert.Error(t, d.Err)
		assert.Equal(t, time.Second, d.RetryAfter)
		gintest.Request(other, "GET", "/x", gintest.Bob)
		d = seen.next(t)
		assert.Equal(t, ginlimit.Allowed, d.Outcome, "FailLocal")
		assert.Equal(t, ginlimit.FromMemory, d.Source)
		assert.Error(t, d.Err)
	}
}

func TestTheObserverComesFirst(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		var order []string
		say := func(what string) { order = append(order, what) }
		r := gintest.NewRouter()
		r.GET("/x", ginlimit.New(with(where, ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { say(d.Outcome.String()) }),
			ginlimit.WithDenied(func(*gin.Context, ginlimit.Decision) { say("answer") }))...), func(*gin.Context) { say("handler") })
		gintest.Request(r, "GET", "/x", gintest.Alice)
		gintest.Request(r, "GET", "/x", gintest.Alice)
		assert.Equal(t, []string{"allowed", "handler", "denied", "answer"}, order)
	})
}

func TestAnObserverThatPanicsHoldsNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		r := gintest.NewRouter()
		r.Use(gin.RecoveryWithWriter(io.Discard))
		r.GET("/x", ginlimit.New(with(where, ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) {
			if d.Outcome == ginlimit.Allowed {
				panic("observer")
			}
		}))...), gintest.OK)
		assert.Equal(t, 500, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
		assert.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
	})
}

// TestADryRunDecidesAsALimiterWould sends the same requests to both.
func TestADryRunDecidesAsALimiterWould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limit := range []int{1, 3} {
			var real, dry observed
			r := gintest.NewRouter()
			denied := ginlimit.WithDenied(func(c *gin.Context, _ ginlimit.Decision) { c.String(429, "denied") })
			r.GET("/real", ginlimit.New(quiet, ginlimit.WithLimit(limit), ginlimit.WithScope(ginlimit.IPOnly), denied, real.option()), gintest.OK)
			r.GET("/dry", ginlimit.New(quiet, ginlimit.WithLimit(limit), ginlimit.WithScope(ginlimit.IPOnly), denied, dry.option(), ginlimit.WithDryRun(), ginlimit.WithHeaders()), gintest.OK)
			for i := range 50 {
				from := []string{gintest.Alice, gintest.Bob}[i%2]
				gintest.Request(r, "GET", "/real", from)
				w := gintest.Request(r, "GET", "/dry", from)
				assert.Equal(t, 200, w.Code)
				assert.Equal(t, "done", w.Body.String())
				assert.Equal(t, []string{"Content-Type"}, slices.Collect(maps.Keys(w.Header())))
				want := real.next(t)
				want.DryRun = true
				require.Equal(t, want, dry.next(t))
				time.Sleep(time.Duration(i%7) * 100 * time.Millisecond)
			}
		}
	})
}

func TestADeniedFunctionMayAnswerWithAStatusOfItsOwn(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
		r := gintest.NewRouter()
		r.GET("/x", ginlimit.New(with(where, ginlimit.WithDenied(func(c *gin.Context, _ ginlimit.Decision) { c.Redirect(303, "/wait") }))...), gintest.OK)
		gintest.Request(r, "GET", "/x", gintest.Alice)
		w := gintest.Request(r, "GET", "/x", gintest.Alice)
		assert.Equal(t, 303, w.Code)
		assert.Equal(t, "3", w.Header().Get("Retry-After"))
	})
}
