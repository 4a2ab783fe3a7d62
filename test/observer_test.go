package test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
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
		opts := []Option{Quiet, WithRedis(Client(t, server.Addr())), WithTimeout(time.Second), WithInterval(time.Hour), seen.option()}
		if dry {
			opts = append(opts, WithDryRun())
		}
		r := Router()
		r.GET("/x", New(append(opts, WithFailure(FailClosed))...), OK)
		expect := func(from string, code int, outcome Outcome, source Source) Decision {
			if dry {
				code = 200
			}
			require.Equal(t, code, Request(r, "GET", "/x", from).Code)
			d := seen.next(t)
			assert.Equal(t, outcome, d.Outcome)
			assert.Equal(t, source, d.Source)
			assert.Equal(t, dry, d.DryRun)
			return d
		}
		expect(Alice, 200, Allowed, FromRedis)
		expect(Alice, 429, Denied, FromCache)
		other := Router()
		other.GET("/x", New(opts...), OK) // another process
		Request(other, "GET", "/x", Alice)
		assert.Equal(t, FromRedis, seen.next(t).Source)
		server.Kill()
		d := expect(Bob, 503, Unavailable, FromMemory)
		assert.Error(t, d.Err)
		assert.Equal(t, time.Second, d.RetryAfter)
		Request(other, "GET", "/x", Bob)
		d = seen.next(t)
		assert.Equal(t, Allowed, d.Outcome, "FailLocal")
		assert.Equal(t, FromMemory, d.Source)
		assert.Error(t, d.Err)
	}
}

func TestTheObserverComesFirst(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		var order []string
		say := func(what string) { order = append(order, what) }
		r := Router()
		r.GET("/x", New(With(where, WithObserver(func(_ *gin.Context, d Decision) { say(d.Outcome.String()) }),
			WithDenied(func(*gin.Context, Decision) { say("answer") }))...), func(*gin.Context) { say("handler") })
		Request(r, "GET", "/x", Alice)
		Request(r, "GET", "/x", Alice)
		assert.Equal(t, []string{"allowed", "handler", "denied", "answer"}, order)
	})
}

func TestAnObserverThatPanicsHoldsNothing(t *testing.T) {
	Everywhere(t, func(t *testing.T, where ...Option) {
		r := Router()
		r.Use(gin.RecoveryWithWriter(io.Discard))
		r.GET("/x", New(With(where, WithObserver(func(_ *gin.Context, d Decision) {
			if d.Outcome == Allowed {
				panic("observer")
			}
		}))...), OK)
		assert.Equal(t, 500, Request(r, "GET", "/x", Alice).Code)
		assert.Equal(t, 429, Request(r, "GET", "/x", Alice).Code)
	})
}

// TestADryRunDecidesAsALimiterWould sends the same requests to both.
func TestADryRunDecidesAsALimiterWould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, limit := range []int{1, 3} {
			var real, dry observed
			r := Router()
			denied := WithDenied(func(c *gin.Context, _ Decision) { c.String(429, "denied") })
			r.GET("/real", New(Quiet, WithLimit(limit), WithScope(IPOnly), denied, real.option()), OK)
			r.GET("/dry", New(Quiet, WithLimit(limit), WithScope(IPOnly), denied, dry.option(), WithDryRun(), WithHeaders()), OK)
			for i := range 50 {
				from := []string{Alice, Bob}[i%2]
				Request(r, "GET", "/real", from)
				w := Request(r, "GET", "/dry", from)
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
	Everywhere(t, func(t *testing.T, where ...Option) {
		r := Router()
		r.GET("/x", New(With(where, WithDenied(func(c *gin.Context, _ Decision) { c.Redirect(303, "/wait") }))...), OK)
		Request(r, "GET", "/x", Alice)
		w := Request(r, "GET", "/x", Alice)
		assert.Equal(t, 303, w.Code)
		assert.Equal(t, "3", w.Header().Get("Retry-After"))
	})
}
