package marks

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// A run is one policy, as random requests meet it.
type run struct {
	policy   Policy
	capacity int
	keys     int
	mostCost int64
	limits   []int64 // of requests, where each has its own
}

func (r run) mark() *Mark {
	limit := r.policy.Limit
	if limit == 0 {
		limit = r.limits[rand.IntN(len(r.limits))]
	}
	cost := int64(1)
	if rand.IntN(3) == 0 {
		cost = 1 + rand.Int64N(min(limit, r.mostCost))
	}
	return newMark(rand.IntN(r.keys), limit, cost)
}

// pause lets time go on, often to an edge.
func (r run) pause() {
	interval := r.policy.Interval
	width := (interval + 127) / 128
	pauses := []time.Duration{
		0, 1, width - 1, width, width + 1, time.Duration(rand.Int64N(int64(interval) / 20)),
		interval / 2, interval - 1, interval, interval + width,
	}
	if i := rand.IntN(7); i < 6 {
		time.Sleep(pauses[i])
	} else if rand.IntN(10) == 0 {
		time.Sleep(pauses[6+rand.IntN(4)])
	}
}

func TestMemoryIsAsItsModel(t *testing.T) {
	for _, r := range []run{
		{Policy{1, time.Second}, 1000, 40, 1, nil},
		{Policy{1, time.Second}, 20, 40, 1, nil},
		{Policy{2, time.Second}, 1000, 20, 2, nil},
		{Policy{2, time.Second}, 2, 5, 2, nil},
		{Policy{5, 999_999_937}, 1000, 10, 5, nil},
		{Policy{127, time.Second}, 1000, 3, 20, nil},
		{Policy{127, time.Second}, 150, 3, 127, nil},
		{Policy{128, time.Second}, 1000, 3, 20, nil},
		{Policy{129, 999_999_937}, 2, 3, 129, nil},
		{Policy{1000, time.Second}, 1000, 1, 100, nil},
		{Policy{0, time.Second}, 20, 40, 3, []int64{1, 2, 5}},
		{Policy{0, time.Millisecond}, 1000, 3, 30, []int64{1, 8, 3, 200}},
	} {
		t.Run(fmt.Sprintf("%+v", r), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { r.compare(t, 5000) })
		})
	}
}

// compare takes random steps in memory and in its model.
func (r run) compare(t *testing.T, steps int) {
	actual, simple := newMemory(r.policy, r.capacity), &model{policy: r.policy, capacity: r.capacity}
	kept := []*Mark{r.mark()}
	unsure := int64(0)
	for i := range steps {
		m := r.mark()
		var got, want Verdict
		gotOK, wantOK := true, true
		action := rand.IntN(20)
		switch action {
		case 0, 1, 2, 3:
			r.pause()
		case 4, 5, 6: // also what has ended, was pushed out or was taken back already
			old := kept[rand.IntN(len(kept))]
			actual.undo(old)
			simple.undo(old)
		case 7:
			if rand.IntN(20) == 0 {
				actual.forget(m.Hash)
				simple.forget(m.Hash)
			}
		case 8:
			if rand.IntN(20) == 0 {
				unsure = clock.Now() - rand.Int64N(int64(r.policy.Interval))
			}
		case 9:
			if rand.IntN(20) == 0 {
				got, want = actual.takeInPlace(m), simple.takeInPlace(m)
			}
		case 10, 11, 12:
			got, gotOK = actual.keep(m, unsure)
			want, wantOK = simple.keep(m, unsure)
		case 13:
			got, gotOK = actual.first(m, unsure)
			want, wantOK = simple.first(m, unsure)
		case 14:
			got, want = actual.peek(m), simple.judge(m)
		default:
			got, want = actual.take(m), simple.take(m)
		}
		require.Equal(t, want, got, "step %d, action %d of %+v", i, action, m)
		require.Equal(t, wantOK, gotOK, "step %d, action %d of %+v", i, action, m)
		simple.under(m.Hash)
		if actual.isEmpty() {
			require.Empty(t, simple.marks)
		} else if !r.policy.grouped() {
			require.NotEmpty(t, simple.marks)
		}
		kept = append(kept[max(0, len(kept)-50):], m)
	}
	time.Sleep(r.policy.Interval)
	require.True(t, actual.isEmpty())
}
