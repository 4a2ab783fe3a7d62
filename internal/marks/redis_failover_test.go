package marks

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// After a failover to a clock that is far behind, a client who keeps asking waits one interval, and isn't held for as long as
// the clocks differ.
func TestASlowerClockHoldsNobodyLongerThanAnInterval(t *testing.T) {
	client := redistest.Start(t).Client()
	for _, limit := range []int64{2, MostSingle, MostSingle + 1, 1000} {
		c := newClocked(t, client)
		r := newRedisMarks(Policy{Limit: limit, Interval: time.Second})
		key := fmt.Sprint(limit)
		require.True(t, c.takes(r, markOf(key, limit, limit)).Held)
		c.now -= 100_000
		failover := c.now
		for c.now <= failover+1000 {
			require.False(t, c.takes(r, markOf(key, limit, 1)).Held, "never early")
			c.now += 50
		}
		require.True(t, c.takes(r, markOf(key, limit, 1)).Held)
	}
}
