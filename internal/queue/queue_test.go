package queue

import (
	"math/rand/v2"
	"runtime/metrics"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type pair struct {
	hash  uint64
	value int
}

// contents lists what is in a queue, the oldest first.
func contents(q *Queue[int]) []pair {
	all := []pair{}
	for n := q.Oldest(); n != 0; n = q.At(n).newer {
		all = append(all, pair{q.At(n).Hash, q.At(n).Value})
	}
	return all
}

// under lists what is under a key, what was added last first.
func under(q *Queue[int], hash uint64) []int {
	var values []int
	for n := q.Find(hash); n != 0; n = q.Before(n) {
		values = append(values, q.At(n).Value)
	}
	return values
}

func TestQueueIsAsItsModel(t *testing.T) {
	for _, keys := range []uint64{1, 5, 300, 5000} {
		q := New[int]()
		order := []pair{}           // the oldest first
		added := map[uint64][]int{} // the youngest first
		remove := func(at int) {
			gone := order[at]
			order = slices.Delete(order, at, at+1)
			added[gone.hash] = slices.DeleteFunc(added[gone.hash], func(v int) bool { return v == gone.value })
		}
		number := func(at int) uint32 {
			n := q.Find(order[at].hash)
			for q.At(n).Value != order[at].value {
				n = q.Before(n)
			}
			return n
		}
		for i := range 20_000 {
			hash := 1 + rand.Uint64N(keys)
			switch action := rand.IntN(10); {
			case len(order) == 0 || action < 4+i/4000%3: // grows and shrinks
				serial := q.added
				n := q.Add(hash, i)
				require.Equal(t, serial, q.At(n).Serial)
				order = append(order, pair{hash, i})
				added[hash] = slices.Insert(added[hash], 0, i)
			case action == 9:
				at := rand.IntN(len(order))
				q.Renew(number(at))
				renewed := order[at]
				order = append(slices.Delete(order, at, at+1), renewed)
			case action == 8:
				at := rand.IntN(len(order))
				q.Remove(number(at))
				remove(at)
			default:
				require.Equal(t, order[0].value, q.At(q.Oldest()).Value)
				q.Remove(q.Oldest())
				remove(0)
			}
			require.Equal(t, len(order), q.Len())
			require.Equal(t, len(added[hash]), len(under(&q, hash)))
			if len(order) > 0 {
				require.Equal(t, order[len(order)-1].value, q.At(q.Youngest()).Value)
			}
			if i%500 == 0 {
				require.Equal(t, order, contents(&q))
				for hash, values := range added {
					require.True(t, slices.Equal(values, under(&q, hash)), "hash %d", hash)
				}
			}
		}
	}
}

func TestQueueGivesMemoryBackAsItEmpties(t *testing.T) {
	q := New[int]()
	for i := range 100_000 {
		q.Add(rand.Uint64(), i)
	}
	for q.Len() > 0 {
		q.Remove(q.Oldest())
		assert.LessOrEqual(t, len(q.slots.pieces), q.Len()/pieceSize+3)
		assert.LessOrEqual(t, q.heads.length, 2*q.keys+1)
	}
	assert.LessOrEqual(t, len(q.heads.pieces), 2)
	assert.Zero(t, q.Oldest())
	assert.Zero(t, q.Youngest())
}

func TestALengthThatGoesToAndFroAllocatesNothing(t *testing.T) {
	q := New[int]()
	for range 4 * pieceSize {
		q.Add(rand.Uint64(), 0)
	}
	for q.Len() > pieceSize {
		q.Remove(q.Oldest())
		assert.Zero(t, testing.AllocsPerRun(1, func() {
			for range pieceSize / 2 {
				q.Add(rand.Uint64(), 0)
			}
			for range pieceSize / 2 {
				q.Remove(q.Oldest())
			}
		}))
	}
}

func TestNoCallPaysForTheGrowthOfTheWhole(t *testing.T) {
	q, most := New[int](), uint64(0)
	allocated := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	for i := range 200_000 { // 8 MB
		metrics.Read(allocated)
		before := allocated[0].Value.Uint64()
		q.Add(rand.Uint64(), i)
		metrics.Read(allocated)
		most = max(most, allocated[0].Value.Uint64()-before)
	}
	t.Logf("most allocated in one call: %d bytes", most)
	assert.Less(t, most, uint64(100_000))
}

func BenchmarkQueue(b *testing.B) {
	q := New[int]()
	for range 65536 {
		q.Add(rand.Uint64(), 0)
	}
	b.ReportAllocs()
	for b.Loop() {
		q.Remove(q.Oldest())
		q.Add(rand.Uint64(), 0)
	}
}
