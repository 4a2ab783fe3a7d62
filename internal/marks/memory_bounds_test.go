package marks

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// No request pays for all that has ended: a new mark clears a part away, and a look nothing.
func TestWhatHasEndedLeavesLittleByLittle(t *testing.T) {
	for _, limit := range []int64{1, 0} {
		synctest.Test(t, func(t *testing.T) {
			const clients = 100_000
			m := newMemory(Policy{limit, time.Minute}, clients)
			for i := range clients {
				m.take(newMark(i, 1, 1))
			}
			time.Sleep(time.Minute)
			assert.True(t, m.isEmpty())
			m.first(newMark(0, 1, 1), clock.Now())
			m.peek(newMark(0, 1, 1))
			assert.Equal(t, clients, m.table.Len())
			for i := range clients/sweep + 1 {
				before := m.table.Len()
				v := m.take(newMark(clients+i, 1, 1))
				require.True(t, v.Held && !v.Crowded)
				require.GreaterOrEqual(t, m.table.Len(), before-sweep)
			}
			assert.Equal(t, clients/sweep+1, m.table.Len())
		})
	}
}

// The first request of an outage finds everything that was noted before, and pays nothing for it.
func TestTheStartOfAnOutageCostsNothing(t *testing.T) {
	const clients = 1_000_000
	m := newMemory(Policy{1, time.Hour}, clients)
	for i := range clients {
		m.keep(newMark(i, 1, 1), 0)
	}
	slowest := time.Hour
	for i := range 5 { // the best of five, for what else this machine does
		start := time.Now()
		_, refused := m.first(newMark(i, 1, 1), clock.Now())
		slowest = min(slowest, time.Since(start))
		assert.True(t, refused)
	}
	t.Logf("the first look: %v", slowest)
	assert.Less(t, slowest, 5*time.Millisecond)
}

func TestMemoryStaysWithinItsBound(t *testing.T) {
	const capacity, clients = 65536, 1_000_000
	before := heap()
	m := newMemory(Policy{1, time.Hour}, capacity)
	for i := range clients {
		m.take(newMark(i, 1, 1))
	}
	used := heap() - before
	t.Logf("%d clients, %d marks: %.0f bytes a mark", clients, capacity, float64(used)/capacity)
	assert.Less(t, used, int64(capacity*50))
	runtime.KeepAlive(m)
}

func TestAClientTakesLessThan4KBAtAnyLimit(t *testing.T) {
	for _, limit := range []int64{127, 1000, 1_000_000} {
		synctest.Test(t, func(t *testing.T) {
			const clients, width, groups = 500, 10 * time.Millisecond, 128
			before := heap()
			m := newMemory(Policy{limit, groups * width}, 65536)
			for i := range 4 * groups { // two intervals, with the most groups that there can be
				time.Sleep([]time.Duration{1, width - 1}[i%2])
				for key := range clients {
					m.take(newMark(key, limit, max(1, limit/groups/2)))
				}
			}
			used := (heap() - before) / clients
			t.Logf("limit %d: %d bytes a client", limit, used)
			assert.LessOrEqual(t, used, int64(4096))
			runtime.KeepAlive(m)
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func BenchmarkMemory(b *testing.B) {
	for _, limit := range []int64{1, 100, 1000} {
		for name, step := range map[string]func(*memory, *Mark){
			"take": func(m *memory, mark *Mark) { m.take(mark) },
			"keep": func(m *memory, mark *Mark) { m.keep(mark, 0) },
		} {
			b.Run(fmt.Sprintf("%s/limit=%d", name, limit), func(b *testing.B) {
				m := newMemory(Policy{limit, time.Hour}, 65536)
				mark := newMark(0, limit, 1)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					mark.Hash = uint64(i/int(limit)+1) * 0x9e3779b97f4a7c15
					step(m, mark)
				}
			})
		}
	}
}
