package ginlimit

import (
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/gintest"
)

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

func TestStrings(t *testing.T) {
	assert.Equal(t, "allowed denied unavailable 3", Allowed.String()+" "+Denied.String()+" "+Unavailable.String()+" "+Outcome(3).String())
	assert.Equal(t, "redis memory cache -1", FromRedis.String()+" "+FromMemory.String()+" "+FromCache.String()+" "+Source(-1).String())
	assert.Equal(t, "FailLocal FailOpen FailClosed", FailLocal.String()+" "+FailOpen.String()+" "+FailClosed.String())
}
