package ginlimit

import (
	"context"
	"math"
	"sync"
	"time"
)

// memory keeps marks in this process. All marks live equally long, so they expire in the order in which they were made:
// a ring holds them in that order, finds the newest of each key, and from there each key's marks are linked. It has no
// goroutine: marks leave at the ring's tail as new ones come.
type memory struct {
	limit    int
	interval time.Duration
	capacity uint32
	warnings *warnings

	mu    sync.Mutex
	ring  ring[live]
	noted uint32 // from this number on, marks are noted only: not found yet
}

// live is a live mark. Where it is the newest of its key, it knows of the others.
type live struct {
	expiry int64
	token  int64
	older  uint32 // number of this key's mark before
	newer  uint32 // and after this one
	oldest uint32
	count  uint32
}

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
	m.catchUp()
	if v, full := m.look(wanted.hash, t); full {
		return v
	}
	number := m.add(wanted, t)
	m.noted = m.ring.head
	return m.link(number, t)
}

// full says whether the limit's worth of marks is alive under a key, and the denial that follows.
func (m *memory) full(wanted mark) (verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := now()
	m.expire(t)
	m.catchUp()
	return m.look(wanted.hash, t)
}

// note adds a mark that was granted elsewhere. Where that makes one too many, the oldest of its key goes. Nobody may ever
// look for it, so it is found only from when somebody looks.
func (m *memory) note(granted mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := now()
	m.expire(t)
	m.add(granted, t)
}

// catchUp lets be found what was only noted.
func (m *memory) catchUp() {
	for m.noted != m.ring.head {
		number := m.noted
		m.noted++
		s := m.ring.at(number)
		if s.hash == gap {
			continue
		}
		if newest := *m.ring.find(s.hash); newest != 0 && int(m.ring.at(newest).value.count) >= m.limit {
			m.unlink(m.ring.at(newest).value.oldest)
		}
		m.link(number, 0)
	}
}

func (m *memory) undo(_ context.Context, unwanted mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.catchUp()
	for number := *m.ring.find(unwanted.hash); number != 0; number = m.ring.at(number).value.older {
		if m.ring.at(number).value.token == unwanted.token {
			m.unlink(number)
			break
		}
	}
	return nil
}

func (m *memory) look(hash uint64, t int64) (verdict, bool) {
	newest := *m.ring.find(hash)
	if newest == 0 || int(m.ring.at(newest).value.count) < m.limit {
		return verdict{}, false
	}
	return refused(m.until(m.ring.at(newest).value.oldest, t), Memory), true
}

// until is the time until a mark expires.
func (m *memory) until(number uint32, t int64) time.Duration {
	return time.Duration(m.ring.at(number).value.expiry - t)
}

// add puts a mark at the ring's head. At the capacity, the mark nearest to its end goes for it.
func (m *memory) add(wanted mark, t int64) (number uint32) {
	if m.ring.length() >= m.capacity && m.drop() {
		m.warnings.crowded(m.capacity)
	}
	return m.ring.add(wanted.hash, live{expiry: after(t, m.interval), token: wanted.token})
}

// link makes a mark the newest of its key.
func (m *memory) link(number uint32, t int64) verdict {
	s := m.ring.at(number)
	link := m.ring.find(s.hash)
	s.value.oldest, s.value.count = number, 1
	if s.value.older = *link; s.value.older != 0 {
		before := &m.ring.at(s.value.older).value
		before.newer, s.value.oldest, s.value.count = number, before.oldest, before.count+1
	}
	oldest, count := s.value.oldest, int(s.value.count)
	m.ring.show(link, number)
	return granted(m.limit-count, m.until(oldest, t), Memory)
}

// expire drops what has expired from the ring's tail.
func (m *memory) expire(t int64) {
	if m.ring.length() > chunkSize && m.ring.at(m.ring.head-1).value.expiry <= t {
		m.clear()
	}
	for m.ring.length() > 0 {
		if s := m.ring.at(m.ring.tail); s.hash != gap && s.value.expiry > t {
			return
		}
		m.drop()
	}
}

func (m *memory) clear() { m.ring, m.noted = newRing[live](), 1 }

// drop frees the slot at the ring's tail, and says whether it held a mark.
func (m *memory) drop() bool {
	held := m.ring.at(m.ring.tail).hash != gap
	switch {
	case m.ring.tail == m.noted:
		m.noted++
		m.ring.at(m.ring.tail).hash = gap
	case held:
		m.unlink(m.ring.tail)
	}
	m.ring.drop()
	return held
}

// unlink makes a mark's slot a gap, and its key's neighbouring marks each other's.
func (m *memory) unlink(number uint32) {
	s := m.ring.at(number)
	link := m.ring.find(s.hash)
	newest := m.ring.at(*link)
	if newest.value.count == 1 {
		m.ring.takeOut(link)
		return
	}
	newest.value.count--
	s.hash = gap
	if s.value.older != 0 {
		m.ring.at(s.value.older).value.newer = s.value.newer
	} else {
		newest.value.oldest = s.value.newer
	}
	if s.value.newer != 0 {
		m.ring.at(s.value.newer).value.older = s.value.older
		return
	}
	before := m.ring.at(s.value.older)
	before.value.oldest, before.value.count, before.next = s.value.oldest, s.value.count, s.next
	*link = s.value.older
}
