package marks

import (
	"sync"
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// memory keeps marks in this process, in a bounded table. It has no goroutine: what has ended leaves as new marks come.
type memory struct {
	interval time.Duration

	mu       sync.Mutex
	table    table
	capacity int
	ownFirst int64 // until this instant, these marks decide before Redis is asked
}

// A table is the order in which marks leave. What has ended may still lie in it, and doesn't count any more.
type table interface {
	// alive is how many marks are alive under a key.
	alive(hash uint64, t int64) int64
	// until is the instant from which no more than most will be alive, if so many more than now are left at t.
	until(hash uint64, more, most int64, t int64) int64
	// makeRoom takes away what the mark leaves no room for under its own key, and returns the slots that it needs.
	makeRoom(m *Mark) int
	// add leaves a mark.
	add(m *Mark, t int64)
	// undo takes a mark away where it is alive.
	undo(m *Mark, t int64)
	// end is the instant at which a slot ends.
	end(number uint32) int64

	Len() int
	Oldest() uint32
	Youngest() uint32
	Find(hash uint64) uint32
	Remove(number uint32)
}

func newMemory(p Policy, capacity int) *memory {
	m := &memory{interval: p.Interval, capacity: capacity}
	if p.grouped() {
		m.table = newGroupTable(p.Interval)
	} else {
		m.table = newSingleTable(p.Interval)
	}
	return m
}

// take leaves the mark if it fits.
func (m *memory) take(mark *Mark) Verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.takeAt(mark, clock.Now())
}

// peek says what take would.
func (m *memory) peek(mark *Mark) Verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.judge(mark, clock.Now())
}

// undo takes back what this mark left here, and no other's.
func (m *memory) undo(mark *Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if mark.place.marks > 0 {
		m.table.undo(mark, clock.Now())
		mark.place = place{}
	}
}

// forget takes all marks under a key away.
func (m *memory) forget(hash uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for number := m.table.Find(hash); number != 0; number = m.table.Find(hash) {
		m.table.Remove(number)
	}
}

// grow raises the capacity.
func (m *memory) grow(capacity int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = max(m.capacity, capacity)
}

// isEmpty says whether no mark is alive.
func (m *memory) isEmpty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	youngest := m.table.Youngest()
	return youngest == 0 || m.table.end(youngest) <= clock.Now()
}

func (m *memory) takeAt(mark *Mark, t int64) Verdict {
	v := m.judge(mark, t)
	if v.Answer == Granted {
		v.Held, v.Crowded = true, m.leave(mark, t)
	}
	return v
}

// judge says whether a mark fits, and changes nothing.
func (m *memory) judge(mark *Mark, t int64) Verdict {
	v := Verdict{Answer: Granted, Source: Memory}
	alive, most := m.table.alive(mark.Hash, t), mark.Limit-mark.Cost
	switch {
	case alive > most:
		v.Answer, v.Remaining = Refused, max(0, mark.Limit-alive)
		v.Wait = time.Duration(m.table.until(mark.Hash, 0, most, t) - t)
	case alive == most:
		v.Wait = time.Duration(m.table.until(mark.Hash, mark.Cost, most, t) - t)
	default:
		v.Remaining = most - alive
	}
	return v
}

// sweep is how many slots that have ended one mark clears away, so that nobody pays for all of them.
const sweep = 128

// leave adds a mark, and says whether live ones had to go for it: at the capacity, those nearest to their end.
func (m *memory) leave(mark *Mark, t int64) (crowded bool) {
	for range sweep {
		oldest := m.table.Oldest()
		if oldest == 0 || m.table.end(oldest) > t {
			break
		}
		m.table.Remove(oldest)
	}
	for room := m.capacity - m.table.makeRoom(mark); m.table.Len() > max(0, room); crowded = true {
		m.table.Remove(m.table.Oldest())
	}
	m.table.add(mark, t)
	return crowded
}
