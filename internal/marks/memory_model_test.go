package marks

import (
	"cmp"
	"slices"
	"time"

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
