package marks

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// The promise, checked on its own: no window of one interval holds more than n, and a mark counts for less than an
// interval and a width.
func TestNoWindowHoldsMoreThanTheLimit(t *testing.T) {
	for _, limits := range [][]int64{{1}, {2}, {127}, {128}, {129}, {1000}, {1_000_000}, {5, 8, 3}} {
		t.Run(fmt.Sprint(limits), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const interval = time.Second
				policy, width := Policy{limits[0], interval}, time.Duration(0)
				if len(limits) > 1 {
					policy.Limit = 0
				}
				if policy.grouped() {
					width = (interval + 127) / 128
				}
				type left struct {
					mark *Mark
					at   int64
				}
				var all []left
				count := func(back time.Duration) (sum int64) {
					for _, l := range all {
						if l.at > clock.Now()-int64(back) {
							sum += l.mark.Cost
						}
					}
					return sum
				}
				m := newMemory(policy, 1000)
				for range 5000 {
					limit := limits[rand.IntN(len(limits))]
					mark := newMark(0, limit, 1+rand.Int64N(max(1, limit/100)))
					if v := m.take(mark); v.Held {
						require.LessOrEqual(t, count(interval)+mark.Cost, limit)
						all = append(all, left{mark, clock.Now()})
					} else {
						require.Greater(t, count(interval+width)+mark.Cost, limit)
						require.LessOrEqual(t, v.Remaining, max(0, limit-count(interval)))
					}
					if i := rand.IntN(max(1, len(all))); rand.IntN(10) == 0 && len(all) > 0 {
						m.undo(all[i].mark)
						all = append(all[:i], all[i+1:]...)
					}
					time.Sleep(time.Duration(rand.Int64N(2 * int64(interval) / min(limit, 1000))))
					for len(all) > 0 && all[0].at <= clock.Now()-int64(interval+width) {
						all = all[1:]
					}
				}
			})
		})
	}
}

func TestASteadyRateUnderTheLimitIsNeverDenied(t *testing.T) {
	for _, limit := range []int64{127, 128, 129, 200, 1000, 10_000, 1_000_000} {
		synctest.Test(t, func(t *testing.T) {
			const interval = 400 * time.Millisecond
			m := newMemory(Policy{limit, interval}, 1000)
			cost := max(1, limit/10_000)
			for range 3 * limit / cost {
				require.True(t, m.take(newMark(0, limit, cost)).Held, "limit %d", limit)
				time.Sleep(time.Duration(float64(interval) / float64(limit) * float64(cost) / 0.99))
			}
		})
	}
}

func TestTheWaitIsUntilThisCostPasses(t *testing.T) {
	for _, limit := range []int64{1, 5, 127, 129, 1000} {
		synctest.Test(t, func(t *testing.T) {
			const interval = time.Second
			m := newMemory(Policy{limit, interval}, 1000)
			told := 0
			for range 3000 {
				v := m.take(newMark(0, limit, 1+rand.Int64N(1+limit/20)))
				time.Sleep(time.Duration(rand.Int64N(int64(interval) / 50)))
				next := newMark(0, limit, 1+rand.Int64N(limit))
				if v = m.peek(next); v.Answer != Refused {
					assert.Equal(t, v.Remaining == 0, v.Wait > 0)
					continue
				}
				told++
				time.Sleep(v.Wait - 1)
				require.Equal(t, Refused, m.peek(next).Answer)
				time.Sleep(1)
				require.Equal(t, Granted, m.peek(next).Answer)
			}
			assert.Greater(t, told, 100)
		})
	}
}

func TestAGroupEndsAnIntervalAfterItsYoungest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const width = 10 * time.Millisecond
		m := newMemory(Policy{1000, 128 * width}, 1000)
		left := func() int64 { return 999 - m.peek(newMark(0, 1000, 1)).Remaining }
		m.take(newMark(0, 1000, 1))
		time.Sleep(width - 1)
		m.take(newMark(0, 1000, 1))
		time.Sleep(1)
		m.take(newMark(0, 1000, 1)) // a group of its own
		time.Sleep(127*width + width - 2)
		assert.EqualValues(t, 3, left())
		time.Sleep(1)
		assert.EqualValues(t, 1, left())
		time.Sleep(1)
		assert.EqualValues(t, 0, left())
		assert.True(t, m.isEmpty())
	})
}

func TestGroupsOfWhichNothingIsAliveTakeNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(Policy{0, time.Minute}, 1)
		m.take(newMark(0, 5, 1))
		time.Sleep(30 * time.Second)
		unwanted := newMark(0, 5, 1)
		m.take(unwanted)
		time.Sleep(30 * time.Second)
		m.undo(unwanted)
		assert.Zero(t, m.table.Len())
	})
}

func TestGroupsBeginAbove127(t *testing.T) {
	assert.False(t, Policy{Limit: 127}.grouped())
	assert.True(t, Policy{Limit: 128}.grouped())
	assert.True(t, Policy{Limit: 0}.grouped())
}

func TestLimitsMayChangeUnderWay(t *testing.T) {
	m := newMemory(Policy{0, time.Hour}, 1000)
	passes := func(limit int64) (n int) {
		for m.take(newMark(0, limit, 1)).Held {
			n++
		}
		return n
	}
	assert.Equal(t, 5, passes(5))
	assert.Equal(t, 3, passes(8))
	assert.Zero(t, passes(3))
	assert.EqualValues(t, 0, m.peek(newMark(0, 3, 1)).Remaining)
	assert.EqualValues(t, math.MaxInt64-9, m.peek(newMark(0, math.MaxInt64, 1)).Remaining)
	assert.Equal(t, 1, passes(9))
}

func TestTheLargestLimitsAndCostsDoNotOverflow(t *testing.T) {
	const most = 1<<53 - 1
	m := newMemory(Policy{0, time.Hour}, 1000)
	for range 3 { // noted whatever is there
		m.keep(newMark(0, most, most), 0)
	}
	assert.Equal(t, Refused, m.take(newMark(0, most, 1)).Answer)
	assert.EqualValues(t, 0, m.take(newMark(0, most, most)).Remaining)
	v := m.peek(newMark(1, most, most))
	assert.Equal(t, Granted, v.Answer)
	assert.InDelta(t, time.Hour, v.Wait, 0)
	v = m.peek(newMark(1, 1, math.MaxInt64))
	assert.Equal(t, Refused, v.Answer)
	assert.Equal(t, time.Hour, v.Wait, "never")
}
