package marks

import (
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/queue"
)

// groupTable keeps marks in groups, so that a client takes the same memory at any limit: a slot is a key with all its
// groups, and is renewed with each mark, so the oldest is the next to end.
type groupTable struct {
	queue.Queue[groups]
	interval time.Duration
	width    time.Duration
}

// groups are what lies under a key, the oldest first. A group is anchored at its first mark, takes marks for a width of
// 1/128 of the interval, and ends one interval after its youngest: never early, less than a width late, and no more than
// 129 are alive.
type groups struct {
	list   []group
	total  int64  // marks in all of them
	oldest uint32 // number of the first in the list, among all groups that this slot has had
	anchor int64  // of the last in the list
}

type group struct {
	end   int64
	marks int64
}

const (
	groupsPerInterval = 128
	mostGroups        = groupsPerInterval + 1
)

func newGroupTable(interval time.Duration) *groupTable {
	return &groupTable{queue.New[groups](), interval, (interval-1)/groupsPerInterval + 1}
}

func (g *groupTable) end(number uint32) int64 {
	list := g.At(number).Value.list
	return list[len(list)-1].end
}

func (g *groupTable) alive(hash uint64, t int64) int64 {
	number := g.Find(hash)
	if number == 0 {
		return 0
	}
	here := &g.At(number).Value
	alive := here.total
	for i := 0; i < len(here.list) && here.list[i].end <= t; i++ {
		alive -= here.list[i].marks
	}
	return alive
}

func (g *groupTable) until(hash uint64, more, most int64, t int64) int64 {
	ifLeftNow := clock.After(t, g.interval)
	number := g.Find(hash)
	if number == 0 {
		return ifLeftNow
	}
	here := &g.At(number).Value
	alive := here.total + more
	for i, group := range here.list {
		if more > 0 && i == len(here.list)-1 && here.isOpen(g.width, t) {
			break
		}
		if alive -= group.marks; alive <= most {
			return group.end
		}
	}
	return ifLeftNow
}

func (g *groupTable) makeRoom(m *Mark) int {
	if g.Find(m.Hash) != 0 {
		return 0
	}
	return 1
}

func (g *groupTable) add(m *Mark, t int64) {
	number := g.Find(m.Hash)
	if number == 0 {
		number = g.Add(m.Hash, groups{})
	}
	g.Renew(number)
	here := &g.At(number).Value
	here.drop(t)
	if !here.isOpen(g.width, t) {
		here.open(t)
	}
	last := len(here.list) - 1
	here.list[last].end = clock.After(t, g.interval)
	here.list[last].marks += m.Cost
	here.total += m.Cost
	m.place = place{serial: g.At(number).Serial, group: here.oldest + uint32(last), marks: m.Cost}
}

func (g *groupTable) undo(m *Mark, t int64) {
	number := g.Find(m.Hash)
	if number == 0 || g.At(number).Serial != m.place.serial {
		return
	}
	here := &g.At(number).Value
	here.drop(t)
	if i := m.place.group - here.oldest; i < uint32(len(here.list)) {
		here.list[i].marks -= m.place.marks
		here.total -= m.place.marks
	}
	if here.total == 0 {
		g.Remove(number)
	}
}

// isOpen says whether the last group takes marks.
func (here *groups) isOpen(width time.Duration, t int64) bool {
	return len(here.list) > 0 && t < clock.After(here.anchor, width)
}

// open begins a group. The list grows by itself, to no more than the most that there can be.
func (here *groups) open(t int64) {
	if n := len(here.list); n == cap(here.list) {
		here.list = append(make([]group, 0, min(max(1, 2*n), mostGroups)), here.list...)
	}
	here.list = append(here.list, group{})
	here.anchor = t
}

// drop takes away the groups that have ended.
func (here *groups) drop(t int64) {
	ended := 0
	for ended < len(here.list) && here.list[ended].end <= t {
		here.total -= here.list[ended].marks
		ended++
	}
	here.list = append(here.list[:0], here.list[ended:]...)
	here.oldest += uint32(ended)
}
