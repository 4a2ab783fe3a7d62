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

	mu   sync.Mutex
	ring ring[live]
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
	return &memory{
		limit: cfg.limit, interval: cfg.interval, warnings: w,
		capacity: uint32(min(cfg.capacity, math.MaxInt32)), ring: newRing[live](),
	}
}

func (m *memory) take(_ context.Context, wanted mark) verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := now()
	m.expire(t)
	newest := m.ring.find(wanted.hash)
	if v, full := m.look(newest, t); full {
		return v
	}
	return m.push(newest, wanted, t)
}

// full says whether the limit's worth of marks is alive under a key, and the denial that follows.
func (m *memory) full(wanted mark) (verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := now()
	m.expire(t)
	return m.look(m.ring.find(wanted.hash), t)
}

// replace gives the oldest mark under a full key up for a newer one.
func (m *memory) replace(newer mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := now()
	m.expire(t)
	newest := m.ring.find(newer.hash)
	if _, full := m.look(newest, t); full {
		m.unlink(m.ring.at(*newest).value.oldest)
	}
	m.push(m.ring.find(newer.hash), newer, t)
}

func (m *memory) undo(_ context.Context, unwanted mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for number := *m.ring.find(unwanted.hash); number != 0; number = m.ring.at(number).value.older {
		if m.ring.at(number).value.token == unwanted.token {
			m.unlink(number)
			break
		}
	}
	return nil
}

func (m *memory) look(newest *uint32, t int64) (verdict, bool) {
	if *newest == 0 || int(m.ring.at(*newest).value.count) < m.limit {
		return verdict{}, false
	}
	return refused(m.until(m.ring.at(*newest).value.oldest, t), Memory), true
}

// until is the time until a mark expires.
func (m *memory) until(number uint32, t int64) time.Duration {
	return time.Duration(m.ring.at(number).value.expiry - t)
}

// push adds a mark at the ring's head. At the capacity, the mark nearest to its end goes for it.
func (m *memory) push(newest *uint32, wanted mark, t int64) verdict {
	if m.ring.length() >= m.capacity {
		if m.drop() {
			m.warnings.crowded(m.capacity)
		}
		newest = m.ring.find(wanted.hash) // it may have gone
	}
	added := live{expiry: after(t, m.interval), token: wanted.token, older: *newest, oldest: m.ring.head, count: 1}
	if added.older != 0 {
		before := &m.ring.at(added.older).value
		before.newer, added.oldest, added.count = m.ring.head, before.oldest, before.count+1
	}
	m.ring.push(newest, wanted.hash, added)
	return granted(m.limit-int(added.count), m.until(added.oldest, t), Memory)
}

// expire drops what has expired from the ring's tail.
func (m *memory) expire(t int64) {
	if m.ring.length() > chunkSize && m.ring.at(m.ring.head-1).value.expiry <= t {
		m.ring = newRing[live]()
	}
	for m.ring.length() > 0 {
		if s := m.ring.at(m.ring.tail); s.hash != gap && s.value.expiry > t {
			return
		}
		m.drop()
	}
}

// drop frees the slot at the ring's tail, and says whether it held a mark.
func (m *memory) drop() bool {
	held := m.ring.at(m.ring.tail).hash != gap
	if held {
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
