package ginlimit

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// observed collects decisions.
type observed []Decision

func (o *observed) option() Option {
	return WithObserver(func(_ *gin.Context, d Decision) { *o = append(*o, d) })
}

// next returns the one decision since the last time.
func (o *observed) next(t *testing.T) Decision {
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
		opts := []Option{quiet, WithRedis(newClient(t, server.Addr())), WithTimeout(time.Second), WithInterval(time.Hour), seen.option()}
		if dry {
			opts = append(opts, WithDryRun())
		}
		r := newRouter()
		r.GET("/x", New(append(opts, WithFailure(FailClosed))...), ok)
		expect := func(from string, code int, outcome Outcome, source Source) Decision {
			if dry {
				code = 200
			}
			require.Equal(t, code, request(r, "GET", "/x", from).Code)
			d := seen.next(t)
			assert.Equal(t, outcome, d.Outcome)
			assert.Equal(t, source, d.Source)
			assert.Equal(t, dry, d.DryRun)
			return d
		}
		expect(alice, 200, Allowed, Redis)
		expect(alice, 429, Denied, Cache)
		other := newRouter()
		other.GET("/x", New(opts...), ok) // another process
		request(other, "GET", "/x", alice)
		assert.Equal(t, Redis, seen.next(t).Source)
		server.Kill()
		d := expect(bob, 503, Unavailable, Memory)
		assert.Error(t, d.Err)
		assert.Equal(t, time.Second, d.RetryAfter)
		request(other, "GET", "/x", bob)
		d = seen.next(t)
		assert.Equal(t, Allowed, d.Outcome, "FailLocal")
		assert.Equal(t, Memory, d.Source)
		assert.Error(t, d.Err)
	}
}

func TestTheObserverComesFirst(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		var order []string
		say := func(what string) { order = append(order, what) }
		r := newRouter()
		r.GET("/x", New(with(where, WithObserver(func(_ *gin.Context, d Decision) { say(d.Outcome.String()) }),
			WithDenied(func(*gin.Context, Decision) { say("answer") }))...), func(*gin.Context) { say("handler") })
		request(r, "GET", "/x", alice)
		request(r, "GET", "/x", alice)
		assert.Equal(t, []string{"allowed", "handler", "denied", "answer"}, order)
	})
}

func TestAnObserverThatPanicsHoldsNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := newRouter()
		r.Use(gin.RecoveryWithWriter(io.Discard))
		r.GET("/x", New(with(where, WithObserver(func(_ *gin.Context, d Decision) {
			if d.Outcome == Allowed {
				panic("observer")
			}
		}))...), ok)
		assert.Equal(t, 500, request(r, "GET", "/x", alice).Code)
		assert.Equal(t, 429, request(r, "GET", "/x", alice).Code)
	})
}

// TestADryRunDecidesAsALimiterWould sends the same requests to both.
func TestADryRunDecidesAsALimiterWould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limit := range []int{1, 3} {
			var real, dry observed
			r := newRouter()
			denied := WithDenied(func(c *gin.Context, _ Decision) { c.String(429, "denied") })
			r.GET("/real", New(quiet, WithLimit(limit), WithScope(IPOnly), denied, real.option()), ok)
			r.GET("/dry", New(quiet, WithLimit(limit), WithScope(IPOnly), denied, dry.option(), WithDryRun(), WithHeaders()), ok)
			for i := range 50 {
				from := []string{alice, bob}[i%2]
				request(r, "GET", "/real", from)
				w := request(r, "GET", "/dry", from)
				assert.Equal(t, 200, w.Code)
				assert.Equal(t, "done", w.Body.String())
				assert.Equal(t, "[] [] []", limitHeaders(w.Header()))
				want := real.next(t)
				want.DryRun = true
				require.Equal(t, want, dry.next(t))
				time.Sleep(time.Duration(i%7) * 100 * time.Millisecond)
			}
		}
	})
}

func TestADeniedFunctionMayAnswerWithAStatusOfItsOwn(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := newRouter()
		r.GET("/x", New(with(where, WithDenied(func(c *gin.Context, _ Decision) { c.Redirect(303, "/wait") }))...), ok)
		request(r, "GET", "/x", alice)
		w := request(r, "GET", "/x", alice)
		assert.Equal(t, 303, w.Code)
		assert.Equal(t, "3", w.Header().Get("Retry-After"))
	})
}
