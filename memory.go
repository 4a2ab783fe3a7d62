package ginlimit

import (
	"context"
	"maps"
	"math"
	"sync"
	"time"
)

// memory keeps marks in this process. All marks live equally long, so they expire in the order in which they were made:
// a ring of slots holds them in that order, and each key's marks are linked through it. It has no goroutine: marks leave
// at the ring's tail as new ones come.
type memory struct {
	limit    int
	interval time.Duration
	capacity uint32
	warnings *warnings

	mu   sync.Mutex
	ring []slot               // its length is a power of two
	tail uint32               // the oldest slot's number; numbers only grow and wrap around
	head uint32               // the next slot's number
	keys map[uint64]keysMarks // by the key's hash
}

// A slot holds no pointer, so the garbage collector doesn't scan the ring.
type slot struct {
	hash   uint64
	expiry int64
	token  int64  // 0: a gap, left by a mark that was taken back
	older  uint32 // this key's slot before
	newer  uint32 // and after this one
}

// keysMarks is what is known of one key's live marks.
type keysMarks struct {
	oldest, newest, count uint32
}

const (
	gap         = 0
	minimumRing = 16
)

func newMemory(cfg config, w *warnings) *memory {
	m := &memory{
		limit: cfg.limit, interval: cfg.interval, warnings: w,
		capacity: uint32(min(cfg.capacity, math.MaxInt32)),
	}
	m.clear()
	return m
}

func (m *memory) take(_ context.Context, wanted mark) verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := now()
	m.expire(t)
	if v, full := m.look(wanted.hash, t); full {
		return v
	}
	return m.push(wanted, t)
}

// full says whether the limit's worth of marks is alive under a key, and the denial that follows.
func (m *memory) full(wanted mark) (verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := now()
	m.expire(t)
	return m.look(wanted.hash, t)
}

// replace gives the oldest mark under a full key up for a newer one.
func (m *memory) replace(newer mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := now()
	m.expire(t)
	if _, full := m.look(newer.hash, t); full {
		m.unlink(m.keys[newer.hash].oldest)
	}
	m.push(newer, t)
}

func (m *memory) undo(_ context.Context, unwanted mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	marks := m.keys[unwanted.hash]
	for number := marks.newest; marks.count > 0; marks.count-- {
		s := m.slot(number)
		if s.token == unwanted.token {
			m.unlink(number)
			break
		}
		number = s.older
	}
	return nil
}

func (m *memory) look(hash uint64, t int64) (verdict, bool) {
	marks, found := m.keys[hash]
	if !found || int(marks.count) < m.limit {
		return verdict{}, false
	}
	return refused(time.Duration(m.slot(marks.oldest).expiry-t), Memory), true
}

// push adds a mark at the ring's head. At the capacity, the mark nearest to its end goes for it.
func (m *memory) push(wanted mark, t int64) verdict {
	if m.head-m.tail == m.capacity && m.drop() {
		m.warnings.crowded(m.capacity)
	}
	if int(m.head-m.tail) == len(m.ring) {
		m.resize(2 * len(m.ring))
	}
	number := m.head
	m.head++
	marks, found := m.keys[wanted.hash]
	if found {
		m.slot(marks.newest).newer = number
	} else {
		marks.oldest = number
	}
	*m.slot(number) = slot{hash: wanted.hash, token: wanted.token, expiry: after(t, m.interval), older: marks.newest}
	marks.newest = number
	marks.count++
	m.keys[wanted.hash] = marks
	return granted(m.limit-int(marks.count), time.Duration(m.slot(marks.oldest).expiry-t), Memory)
}

// expire drops what has expired from the ring's tail, and gives memory back that is no longer needed.
func (m *memory) expire(t int64) {
	if m.head != m.tail && m.slot(m.head-1).expiry <= t {
		m.clear()
		return
	}
	for m.head != m.tail && (m.slot(m.tail).token == gap || m.slot(m.tail).expiry <= t) {
		m.drop()
	}
	if len(m.ring) > minimumRing && int(m.head-m.tail) <= len(m.ring)/8 {
		m.resize(len(m.ring) / 4)
		m.keys = maps.Collect(maps.All(m.keys)) // a map never gives memory back; a new one is as small as its contents
	}
}

func (m *memory) clear() {
	m.tail = m.head
	if len(m.ring) == minimumRing {
		clear(m.keys)
		return
	}
	m.ring, m.keys = make([]slot, minimumRing), map[uint64]keysMarks{}
}

// drop frees the slot at the ring's tail, and says whether it held a mark.
func (m *memory) drop() bool {
	held := m.slot(m.tail).token != gap
	if held {
		m.unlink(m.tail)
	}
	m.tail++
	return held
}

// unlink makes a slot a gap and its key's neighbouring marks each other's.
func (m *memory) unlink(number uint32) {
	s := m.slot(number)
	s.token = gap
	marks := m.keys[s.hash]
	if marks.count == 1 {
		delete(m.keys, s.hash)
		return
	}
	if number == marks.oldest {
		marks.oldest = s.newer
	} else {
		m.slot(s.older).newer = s.newer
	}
	if number == marks.newest {
		marks.newest = s.older
	} else {
		m.slot(s.newer).older = s.older
	}
	marks.count--
	m.keys[s.hash] = marks
}

func (m *memory) slot(number uint32) *slot {
	return &m.ring[number&uint32(len(m.ring)-1)]
}

// resize moves the slots to a ring of another length. Their numbers stay.
func (m *memory) resize(length int) {
	old := m.ring
	m.ring = make([]slot, length)
	for number := m.tail; number != m.head; number++ {
		*m.slot(number) = old[number&uint32(len(old)-1)]
	}
}
