package marks

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/clock"
)

func newMark(key int, limit, cost int64) *Mark {
	return &Mark{Hash: uint64(key+1) * 0x9e3779b97f4a7c15, Token: NewToken(), Limit: limit, Cost: cost}
}

func TestMemoryLetsExactlyTheLimitThroughAtOnce(t *testing.T) {
	for _, limit := range []int64{1, 7, 127, 129} {
		for cost := int64(1); cost <= min(limit, 2); cost++ {
			for range 20 {
				m := newMemory(Policy{limit, time.Hour}, 1000)
				var allowed atomic.Int64
				var ready, done sync.WaitGroup
				release := make(chan struct{})
				for i := range 500 {
					ready.Add(1)
					done.Go(func() {
						mark := newMark(0, limit, cost)
						ready.Done()
						<-release
						take := []func(*Mark) Verdict{m.take, m.takeInPlace}[i%2]
						if take(mark).Held {
							allowed.Add(1)
						}
					})
				}
				ready.Wait()
				close(release)
				done.Wait()
				require.EqualValues(t, limit/cost, allowed.Load())
			}
		}
	}
}

// Own marks that are first are looked at atomically with noting: what is taken in Redis's place between the question and
// its answer counts.
func TestAGrantThatCrossesAnOutageMustFit(t *testing.T) {
	for _, limit := range []int64{1, 2, 129} {
		m := newMemory(Policy{limit, time.Hour}, 1000)
		granted, failing := newMark(0, limit, limit), newMark(0, limit, 1)
		_, refused := m.first(granted, 0)
		assert.False(t, refused)
		assert.True(t, m.takeInPlace(failing).Held)
		v, ok := m.keep(granted, 0)
		assert.False(t, ok)
		assert.Equal(t, Refused, v.Answer)

		m.undo(granted) // left nothing
		m.undo(failing)
		_, ok = m.keep(granted, 0)
		assert.True(t, ok)
	}
}

func TestOwnMarksAreFirstForAnIntervalAfterTheLastOneInRedissPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(Policy{1, time.Minute}, 1000)
		m.take(newMark(0, 1, 1))
		isFirst := func() bool {
			_, refused := m.first(newMark(0, 1, 1), 0)
			return refused
		}
		assert.False(t, isFirst(), "no outage yet")
		late := newMark(1, 1, 1)
		late.Asked = clock.Now()
		time.Sleep(30 * time.Second) // in which Redis is waited for
		m.takeInPlace(late)
		time.Sleep(20 * time.Second)
		m.takeInPlace(late) // refused, and Redis is still away
		m.keep(newMark(2, 1, 1), 0)
		m.undo(newMark(3, 1, 1))
		time.Sleep(10 * time.Second)
		m.keep(newMark(0, 1, 1), 0)
		time.Sleep(50*time.Second - 1)
		assert.True(t, isFirst())
		time.Sleep(1)
		assert.False(t, isFirst())
		assert.Equal(t, Refused, m.peek(newMark(0, 1, 1)).Answer, "still alive")
	})
}

func TestOwnMarksAreFirstForAnIntervalAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(Policy{1, time.Minute}, 1000)
		failed := clock.Now()
		time.Sleep(time.Second)
		m.take(newMark(0, 1, 1))
		time.Sleep(59*time.Second - 1)
		_, refused := m.first(newMark(0, 1, 1), failed)
		assert.True(t, refused)
		_, ok := m.keep(newMark(0, 1, 1), failed)
		assert.False(t, ok)
		time.Sleep(1)
		_, refused = m.first(newMark(0, 1, 1), failed)
		assert.False(t, refused)
		_, ok = m.keep(newMark(0, 1, 1), failed)
		assert.True(t, ok, "Redis knows better by now")
	})
}

func TestMemoryWithoutFailuresIsNeverFirstAtTheLongestInterval(t *testing.T) {
	m := newMemory(Policy{1, 1<<63 - 1}, 1000)
	m.take(newMark(0, 1, 1))
	_, refused := m.first(newMark(0, 1, 1), 0)
	assert.False(t, refused)
	assert.Positive(t, m.peek(newMark(0, 1, 1)).Wait)
}

func TestWhatWasTakenBackTakesNoRoom(t *testing.T) {
	for _, limit := range []int64{1, 2, 129} {
		m := newMemory(Policy{limit, time.Hour}, 1000)
		require.True(t, m.take(newMark(0, limit, limit)).Held)
		for i := range 1000 {
			mark := newMark(1+i%2, limit, 1)
			v := m.take(mark)
			require.True(t, v.Held && !v.Crowded)
			m.undo(mark)
		}
		assert.Equal(t, Refused, m.take(newMark(0, limit, 1)).Answer)
	}
	m := newMemory(Policy{2, time.Hour}, 2)
	require.True(t, m.take(newMark(0, 2, 1)).Held)
	for range 3 {
		mark := newMark(0, 2, 1)
		require.True(t, m.take(mark).Held)
		m.undo(mark)
	}
	assert.True(t, m.take(newMark(0, 2, 1)).Held)
	assert.False(t, m.take(newMark(0, 2, 1)).Held)
}

func TestMemoryGivesUpTheMarkNearestToItsEnd(t *testing.T) {
	m := newMemory(Policy{1, time.Hour}, 100)
	for i := range 150 {
		v := m.take(newMark(i, 1, 1))
		require.True(t, v.Held)
		require.Equal(t, i >= 100, v.Crowded)
	}
	assert.Equal(t, 100, m.table.Len())
	assert.Equal(t, Refused, m.peek(newMark(50, 1, 1)).Answer, "the oldest that is kept")
	assert.Equal(t, Refused, m.peek(newMark(149, 1, 1)).Answer)
	assert.Equal(t, Granted, m.peek(newMark(49, 1, 1)).Answer, "the youngest that is not")

	m = newMemory(Policy{2, time.Hour}, 3)
	for _, key := range []int{0, 1, 0, 2} {
		m.take(newMark(key, 2, 1))
	}
	assert.EqualValues(t, 0, m.peek(newMark(0, 2, 1)).Remaining, "one of two went")
	assert.EqualValues(t, 0, m.peek(newMark(1, 2, 1)).Remaining)

	m = newMemory(Policy{0, time.Hour}, 2)
	for _, key := range []int{0, 1, 0, 2} { // 0 came again, so 1 ends first
		m.take(newMark(key, 5, 1))
	}
	assert.EqualValues(t, 2, m.peek(newMark(0, 5, 1)).Remaining)
	assert.EqualValues(t, 4, m.peek(newMark(1, 5, 1)).Remaining)
}

func TestAFullMemoryNotesUnderAFullKeyAtItsOwnCost(t *testing.T) {
	m := newMemory(Policy{2, time.Hour}, 3)
	for _, key := range []int{0, 1, 1} {
		m.take(newMark(key, 2, 1))
	}
	v, ok := m.keep(newMark(1, 2, 1), 0)
	assert.True(t, ok && !v.Crowded)
	assert.EqualValues(t, 0, m.peek(newMark(0, 2, 1)).Remaining, "0 still has its mark")
}

func TestTheLargestCapacityCounts(t *testing.T) {
	m := newMemory(Policy{1, time.Hour}, 2)
	m.grow(4)
	m.grow(3)
	for i := range 4 {
		assert.False(t, m.take(newMark(i, 1, 1)).Crowded)
	}
	assert.True(t, m.take(newMark(4, 1, 1)).Crowded)
}
