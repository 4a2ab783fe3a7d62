package marks

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// A double holds every integer up to 2^53, but not every sum of two.
func TestTheHighestCostsAreSummedExactly(t *testing.T) {
	c := newClocked(t, redistest.Start(t).Client())
	r := newRedisMarks(Policy{Limit: MostLimit, Interval: time.Second})
	start := c.now
	for _, cost := range []int64{1, 1, MostLimit - 2} {
		require.True(t, c.takes(r, markOf("key", MostLimit, cost)).Held)
		c.now += 100
	}
	v := c.takes(r, markOf("key", MostLimit, 2))
	require.Equal(t, Refused, v.Answer)
	second := start + 100 + time.Second.Milliseconds() + 1
	require.Equal(t, second-c.now, v.Wait.Milliseconds(), "two have to end")
}

// A key outlives each of its marks, whichever is the youngest, and hardly longer.
func TestAKeyOutlivesItsMarksAndHardlyLonger(t *testing.T) {
	client := redistest.Start(t).Client()
	for _, limit := range []int64{2, MostSingle, MostSingle + 1, 1000} {
		for _, interval := range []time.Duration{time.Millisecond, time.Second, time.Minute, 3333 * time.Millisecond} {
			c := newClocked(t, client)
			r := newRedisMarks(Policy{Limit: limit, Interval: interval})
			key, width := fmt.Sprint(limit, interval), (interval.Milliseconds()+127)/128
			for range 300 {
				if c.takes(r, markOf(key, limit, 1)).Held {
					gone := client.PExpireTime(t.Context(), key).Val().Milliseconds()
					require.Greater(t, gone, c.now+interval.Milliseconds())
					require.LessOrEqual(t, gone, c.now+interval.Milliseconds()+width+1)
				}
				c.now += max(1, width/3)
			}
		}
	}
}

func TestALookAtAMarkLeavesItsRefundAsItIs(t *testing.T) {
	c := newClocked(t, redistest.Start(t).Client())
	r := newRedisMarks(Policy{Limit: 1000, Interval: time.Minute})
	m := markOf("key", 1000, 7)
	require.True(t, c.takes(r, m).Held)
	require.EqualValues(t, 986, c.looks(r, m).Remaining)
	c.undoes(r, m)
	require.EqualValues(t, 993, c.looks(r, m).Remaining)
}

func TestAListRecognisesTheLast8(t *testing.T) {
	c := newClocked(t, redistest.Start(t).Client())
	r := newRedisMarks(Policy{Limit: 1000, Interval: time.Minute})
	first := markOf("key", 1000, 1)
	require.EqualValues(t, 999, c.takes(r, first).Remaining)
	for range 8 - 1 {
		c.takes(r, markOf("key", 1000, 1))
	}
	require.EqualValues(t, 992, c.takes(r, first).Remaining, "nothing more is left")
	c.takes(r, markOf("key", 1000, 1))
	require.EqualValues(t, 990, c.takes(r, first).Remaining, "eight came after it")
}

func TestAGroupEndsWithItsYoungest(t *testing.T) {
	client := redistest.Start(t).Client()
	for _, closed := range []bool{false, true} {
		c := newClocked(t, client)
		r := newRedisMarks(Policy{Limit: 129, Interval: 1280 * time.Millisecond})
		key, start := fmt.Sprint(closed), c.now
		c.takes(r, markOf(key, 129, 1))
		c.now += 9 // the last millisecond that is the group's
		c.takes(r, markOf(key, 129, 127))
		if closed {
			c.now++
		}
		c.takes(r, markOf(key, 129, 1))
		c.now = start + 1281
		require.Equal(t, Verdict{Answer: Refused, Wait: 9 * time.Millisecond, Lasts: 8 * time.Millisecond}, c.takes(r, markOf(key, 129, 1)))
		c.now = start + 1290
		want := map[bool]int64{false: 128, true: 127}[closed]
		require.Equal(t, want, c.takes(r, markOf(key, 129, 1)).Remaining)
	}
}
