package ring

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRingIsAsItsModel(t *testing.T) {
	r, model := New[int](), map[uint64]int{}
	r.tail, r.head = math.MaxUint32-5000, math.MaxUint32-5000 // numbers wrap around soon
	for i := range 100_000 {
		hash := 1 + rand.Uint64N(500)
		switch rand.IntN(4) {
		case 0:
			if link := r.Find(hash); *link != 0 {
				r.TakeOut(link)
			}
			delete(model, hash)
		case 1:
			if r.Len() > 0 {
				oldest := r.At(r.Tail()).Hash
				if oldest != Gap {
					require.Equal(t, r.Tail(), *r.Find(oldest))
					r.TakeOut(r.Find(oldest))
					delete(model, oldest)
				}
				r.Drop()
			}
		case 2:
			if _, found := model[hash]; !found {
				r.Show(r.Find(hash), r.Add(hash, i))
				model[hash] = i
			}
		}
		want, found := model[hash]
		number := *r.Find(hash)
		require.Equal(t, found, number != 0)
		if found {
			require.Equal(t, want, r.At(number).Value)
		}
	}
	require.Equal(t, len(model), r.found)
}

func TestRingGivesMemoryBack(t *testing.T) {
	r := New[int]()
	for i := range 100_000 {
		r.Show(r.Find(uint64(i+1)), r.Add(uint64(i+1), i))
	}
	for r.Len() > 0 {
		r.TakeOut(r.Find(r.At(r.Tail()).Hash))
		r.Drop()
	}
	assert.LessOrEqual(t, len(r.chunks), 2)
	assert.LessOrEqual(t, cap(r.heads), 4*leastHeads)
}
