package marks

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// passed is when a request was let through: at some instant between its call and its answer.
type passed struct{ call, answer time.Time }

// On Redis's own clock, no window of one interval holds more than the limit, whoever asks through whatever client.
func TestNoWindowInRedisHoldsMoreThanTheLimit(t *testing.T) {
	const interval = 200 * time.Millisecond
	server := redistest.Start(t)
	for _, limit := range []int{1, 5, 127, 128, 500} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var all []passed
			var running sync.WaitGroup
			end := time.Now().Add(5 * interval)
			for range 2 {
				s := storeIn(server.Client(), Policy{Limit: int64(limit), Interval: interval})
				for range 4 {
					running.Go(func() {
						for time.Now().Before(end) {
							call := time.Now()
							v := s.take(markOf(fmt.Sprint(limit), int64(limit), 1))
							if assert.NoError(t, v.Err) && v.Held {
								mu.Lock()
								all = append(all, passed{call, time.Now()})
								mu.Unlock()
							}
							time.Sleep(time.Millisecond)
						}
					})
				}
			}
			running.Wait()
			slices.SortFunc(all, func(a, b passed) int { return a.answer.Compare(b.answer) })
			for i := limit; i < len(all); i++ { // the call that came first may belong to any of them
				window := all[i-limit : i+1]
				first := slices.MinFunc(window, func(a, b passed) int { return a.call.Compare(b.call) })
				require.GreaterOrEqual(t, all[i].answer.Sub(first.call), interval, "%d passed within an interval", limit+1)
			}
			require.Greater(t, len(all), limit, "marks end")
		})
	}
}

// A client who is 1 % slower than the limit asks for is never denied, from 400 ms up: a group ends less than 1 % late.
func TestASteadyClientIsNeverDenied(t *testing.T) {
	client := redistest.Start(t).Client()
	for _, limit := range []int64{2, 127, 128, 1000} {
		for _, interval := range []int64{400, 401, 511, 513, 1000, 60_000} { // milliseconds
			c := newClocked(t, client)
			r := newRedisMarks(Policy{Limit: limit, Interval: time.Duration(interval) * time.Millisecond})
			key, start := fmt.Sprint(limit, interval), c.now
			for i := range 5 * limit / 2 {
				c.now = start + (i*interval*101+limit*100-1)/(limit*100)
				require.True(t, c.takes(r, markOf(key, limit, 1)).Held, "request %d at %d ms of %d", i, c.now-start, interval)
			}
		}
	}
}

func TestASteadyClientIsNeverDeniedInTruth(t *testing.T) {
	const limit, interval = 128, 400 * time.Millisecond
	s := storeIn(redistest.Start(t).Client(), Policy{Limit: limit, Interval: interval})
	for i := range 3 * limit {
		v := s.take(markOf("key", limit, 1))
		require.NoError(t, v.Err)
		require.True(t, v.Held, "request %d", i)
		time.Sleep(interval * 101 / (100 * limit))
	}
}

// A mark's last millisecond is its own: in it, it still denies others, and its own command that comes again is known.
func TestTheLastMillisecondIsTheMarks(t *testing.T) {
	client := redistest.Start(t).Client()
	for _, limit := range []int64{2, MostSingle, MostSingle + 1} {
		c := newClocked(t, client)
		r := newRedisMarks(Policy{Limit: limit, Interval: time.Second})
		m := markOf(fmt.Sprint(limit), limit, limit)
		require.True(t, c.takes(r, m).Held)
		c.now += 1000
		v := c.takes(r, markOf(m.Key, limit, 1))
		require.Equal(t, Verdict{Answer: Refused, Wait: time.Millisecond}, v)
		require.Equal(t, Verdict{Answer: Granted, Held: true, Wait: time.Millisecond}, c.takes(r, m))
		c.now++
		require.Equal(t, limit-1, c.takes(r, markOf(m.Key, limit, 1)).Remaining)
		require.Equal(t, Refused, c.takes(r, m).Answer, "its mark has ended, and the cost doesn't fit")
	}
}
