package ginlimit

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func memoryOf(opts ...Option) *memory {
	return newMemory(newConfig(append(opts, quiet)), &warnings{logger: discard})
}

// model is memory as simple as it can be written.
type model struct {
	limit    int
	interval time.Duration
	marks    map[string][]modelMark // in the order they were made
}

type modelMark struct {
	token int64
	until time.Time
}

func (m *model) live(key string) []modelMark {
	var live []modelMark
	for _, mark := range m.marks[key] {
		if mark.until.After(time.Now()) {
			live = append(live, mark)
		}
	}
	m.marks[key] = live
	return live
}

func (m *model) take(key string, token int64) verdict {
	live := m.live(key)
	if len(live) >= m.limit {
		return refused(time.Until(live[0].until), Memory)
	}
	m.marks[key] = append(live, modelMark{token, time.Now().Add(m.interval)})
	return granted(m.limit-len(live)-1, time.Until(m.marks[key][0].until), Memory)
}

func (m *model) undo(key string, token int64) {
	var kept []modelMark
	for _, mark := range m.live(key) {
		if mark.token != token {
			kept = append(kept, mark)
		}
	}
	m.marks[key] = kept
}

func (m *model) note(key string, token int64) {
	live := m.live(key)
	m.marks[key] = append(live[max(0, len(live)+1-m.limit):], modelMark{token, time.Now().Add(m.interval)})
}

const nearTheLast = math.MaxUint32 - 500

func TestMemoryIsAsItsModel(t *testing.T) {
	for _, limit := range []int{1, 2, 5, 40} {
		synctest.Test(t, func(t *testing.T) {
			keys := 2000 / limit / limit
			interval := time.Second
			real := memoryOf(WithLimit(limit), WithInterval(interval))
			real.ring.tail, real.ring.head, real.noted = nearTheLast, nearTheLast, nearTheLast // numbers wrap around soon
			simple := &model{limit, interval, map[string][]modelMark{}}
			var taken []mark
			for i := range 20_000 {
				switch rand.IntN(10) {
				case 0:
					time.Sleep(time.Duration(rand.Int64N(int64(interval) / 20)))
				case 1:
					if rand.IntN(50) == 0 {
						time.Sleep(interval)
					}
				case 2:
					if len(taken) > 0 {
						m := taken[rand.IntN(len(taken))]
						require.NoError(t, real.undo(t.Context(), m))
						simple.undo(m.key, m.token)
					}
				case 3:
					for range rand.IntN(4) {
						m := newMark(fmt.Sprint("key", rand.IntN(keys)))
						real.note(m)
						simple.note(m.key, m.token)
					}
				default:
					m := newMark(fmt.Sprint("key", rand.IntN(keys)))
					want := simple.take(m.key, m.token)
					require.Equal(t, want, real.take(t.Context(), m), "step %d of limit %d", i, limit)
					if want.held {
						taken = append(taken[max(0, len(taken)-100):], m)
					}
				}
			}
		})
	}
}

func TestMemoryLetsExactlyTheLimitThroughAtOnce(t *testing.T) {
	for _, limit := range []int{1, 7} {
		for range 50 {
			store := memoryOf(WithLimit(limit), WithInterval(time.Hour))
			var allowed atomic.Int64
			var ready, done sync.WaitGroup
			release := make(chan struct{})
			for range 1000 {
				ready.Add(1)
				done.Go(func() {
					ready.Done()
					<-release
					if store.take(context.Background(), newMark("key")).held {
						allowed.Add(1)
					}
				})
			}
			ready.Wait()
			close(release)
			done.Wait()
			require.EqualValues(t, limit, allowed.Load())
		}
	}
}

func TestMemoryGivesUpTheMarkNearestToItsEnd(t *testing.T) {
	store := memoryOf(WithCapacity(100), WithInterval(time.Hour))
	for i := range 150 {
		require.True(t, store.take(t.Context(), newMark(fmt.Sprint(i))).held)
	}
	assert.Equal(t, 100, store.ring.found)
	assert.False(t, store.take(t.Context(), newMark("50")).held, "the oldest that is kept")
	assert.False(t, store.take(t.Context(), newMark("149")).held)
	assert.True(t, store.take(t.Context(), newMark("49")).held, "the youngest that is not")
}

func TestAMarkTooManyTakesTheOldestsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memoryOf(WithLimit(2), WithInterval(time.Minute))
		first, second, third := newMark("key"), newMark("key"), newMark("key")
		store.take(t.Context(), first)
		time.Sleep(20 * time.Second)
		store.take(t.Context(), second)
		store.note(third)
		v, full := store.full(first)
		assert.True(t, full)
		assert.Equal(t, time.Minute, v.wait, "the second mark is the oldest now")
	})
}

func TestMemoryFollowsLiveMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memoryOf(WithCapacity(1_000_000), WithInterval(time.Minute))
		for range 10 { // ten minutes' worth
			for i := range 20_000 {
				store.take(t.Context(), newMark(fmt.Sprint(i)))
			}
			time.Sleep(time.Minute)
		}
		store.take(t.Context(), newMark("last"))
		assert.Equal(t, 1, store.ring.found)
		assert.Len(t, store.ring.heads, leastHeads)
		assert.Len(t, store.ring.chunks, 1)
	})
}

func TestMemoryShrinksWithTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memoryOf(WithInterval(time.Minute))
		for i := range 50_000 {
			store.take(t.Context(), newMark(fmt.Sprint(i)))
		}
		for i := range 600 { // one a second goes on
			time.Sleep(time.Second)
			store.take(t.Context(), newMark(fmt.Sprint("more", i)))
		}
		assert.Equal(t, 60, store.ring.found)
		assert.LessOrEqual(t, len(store.ring.chunks), 4)
		assert.LessOrEqual(t, cap(store.ring.heads), 512)
	})
}

func TestMemoryStaysWithinItsBound(t *testing.T) {
	const capacity, clients = 65536, 10_000_000
	before := heap()
	store := newDenials(newConfig(nil), newOutage(newConfig(nil), &warnings{logger: discard}, always{granted(0, time.Hour, Redis)}))
	for i := range clients {
		m := newMark("key")
		m.hash = uint64(i+1) * 0x9e3779b97f4a7c15 // a client of its own
		store.take(t.Context(), m)
	}
	used := heap() - before
	t.Logf("%d clients, %d marks: %.0f bytes a mark", clients, capacity, float64(used)/capacity)
	assert.Less(t, used, int64(capacity*100))
	runtime.KeepAlive(store)
}

// always is a store with one answer.
type always struct{ verdict verdict }

func (a always) take(context.Context, mark) verdict { return a.verdict }
func (a always) undo(context.Context, mark) error   { return a.verdict.err }

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func BenchmarkMemory(b *testing.B) {
	for _, limit := range []int{1, 100} {
		b.Run(fmt.Sprint("limit=", limit), func(b *testing.B) {
			store := memoryOf(WithLimit(limit), WithInterval(time.Hour))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				m := mark{hash: uint64(i/limit+1) * 0x9e3779b97f4a7c15, token: newToken()}
				store.take(context.Background(), m)
			}
		})
	}
}
