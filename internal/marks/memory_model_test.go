package marks

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// model is memory as simply as it can be written: a list of all marks, the oldest first, and a group for each (at limits
// up to 127 its own).
type model struct {
	policy   Policy
	capacity int
	ownFirst int64
	marks    []*modelMark
	stamp    int
}

type modelMark struct {
	of     *Mark // whose it is
	hash   uint64
	group  *modelGroup
	undone bool // its group lives on with the others
}

type modelGroup struct {
	anchor int64
	end    int64
	stamp  int // of its youngest mark, among those of one instant
}

func (m *model) remove(gone func(*modelMark) bool) { m.marks = slices.DeleteFunc(m.marks, gone) }

// under lists the live marks under a key.
func (m *model) under(hash uint64) (live []*modelMark) {
	m.remove(func(mark *modelMark) bool { return mark.group.end <= clock.Now() })
	for _, mark := range m.marks {
		if mark.hash == hash {
			live = append(live, mark)
		}
	}
	return live
}

// counted leaves out what was undone.
func counted(marks []*modelMark) []*modelMark {
	return slices.DeleteFunc(slices.Clone(marks), func(mark *modelMark) bool { return mark.undone })
}

// group returns the group that a mark joins.
func (m *model) group(live []*modelMark) *modelGroup {
	width := (int64(m.policy.Interval) + 127) / 128
	if m.policy.grouped() && len(live) > 0 {
		if last := live[len(live)-1].group; clock.Now() < last.anchor+width {
			return last
		}
	}
	return &modelGroup{anchor: clock.Now()}
}

func (m *model) judge(mark *Mark) Verdict {
	all, t := m.under(mark.Hash), clock.Now()
	live := counted(all)
	alive := int64(len(live))
	if alive+mark.Cost <= mark.Limit {
		v := Verdict{Answer: Granted, Source: Memory, Remaining: mark.Limit - alive - mark.Cost}
		if v.Remaining == 0 {
			var ends []int64
			joined := m.group(all)
			for _, other := range live {
				if other.group != joined {
					ends = append(ends, other.group.end)
				}
			}
			for int64(len(ends)) < mark.Limit {
				ends = append(ends, t+int64(m.policy.Interval))
			}
			v.Wait = time.Duration(ends[mark.Cost-1] - t)
		}
		return v
	}
	v := Verdict{Answer: Refused, Source: Memory, Remaining: max(0, mark.Limit-alive), Wait: m.policy.Interval}
	if over := alive + mark.Cost - mark.Limit; over <= alive {
		v.Wait = time.Duration(live[over-1].group.end - t)
	}
	return v
}

func (m *model) leave(mark *Mark) (crowded bool) {
	live := m.under(mark.Hash)
	if !m.policy.grouped() {
		for int64(len(live))+mark.Cost > mark.Limit {
			oldest := live[0]
			m.remove(func(other *modelMark) bool { return other == oldest })
			live = live[1:]
		}
		for len(m.marks)+int(mark.Cost) > m.capacity {
			m.marks, crowded = m.marks[1:], true
		}
		live = m.under(mark.Hash)
	} else if len(live) == 0 {
		for m.keys() >= m.capacity {
			oldest := slices.MinFunc(m.marks, func(a, b *modelMark) int {
				return cmp.Compare(m.last(a.hash), m.last(b.hash))
			}).hash
			m.remove(func(other *modelMark) bool { return other.hash == oldest })
			crowded = true
		}
	}
	group := m.group(live)
	m.stamp++
	group.end, group.stamp = clock.Now()+int64(m.policy.Interval), m.stamp
	for range mark.Cost {
		if !m.policy.grouped() {
			group = &modelGroup{end: group.end}
		}
		m.marks = append(m.marks, &modelMark{of: mark, hash: mark.Hash, group: group})
	}
	return crowded
}

func (m *model) keys() int {
	keys := map[uint64]bool{}
	for _, mark := range m.marks {
		keys[mark.hash] = true
	}
	return len(keys)
}

func (m *model) last(hash uint64) (stamp int) {
	for _, mark := range m.marks {
		if mark.hash == hash {
			stamp = mark.group.stamp
		}
	}
	return stamp
}

func (m *model) take(mark *Mark) Verdict {
	v := m.judge(mark)
	if v.Answer == Granted {
		v.Held, v.Crowded = true, m.leave(mark)
	}
	return v
}

func (m *model) takeInPlace(mark *Mark) Verdict {
	m.ownFirst = clock.Now() + int64(m.policy.Interval)
	return m.take(mark)
}

func (m *model) isFirst(unsure int64) bool {
	return clock.Now() < max(m.ownFirst, unsure+int64(m.policy.Interval))
}

func (m *model) first(mark *Mark, unsure int64) (Verdict, bool) {
	if v := m.judge(mark); m.isFirst(unsure) {
		return v, v.Answer == Refused
	}
	return Verdict{}, false
}

func (m *model) keep(mark *Mark, unsure int64) (Verdict, bool) {
	if m.isFirst(unsure) {
		v := m.take(mark)
		return v, v.Held
	}
	return Verdict{Answer: Granted, Source: Memory, Held: true, Crowded: m.leave(mark)}, true
}

func (m *model) undo(mark *Mark) {
	for _, other := range m.under(mark.Hash) {
		other.undone = other.undone || other.of == mark
	}
	if live := m.under(mark.Hash); len(counted(live)) == 0 {
		m.forget(mark.Hash)
	}
	if !m.policy.grouped() {
		m.marks = counted(m.marks)
	}
}

func (m *model) forget(hash uint64) {
	m.remove(func(other *modelMark) bool { return other.hash == hash })
}

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
			synctest.Test(t, func(t *testing.T) { r.compare(t, 10_000) })
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
