package marks

import (
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// A denial says that more than room marks are alive under a key until an instant.
type denial struct {
	until int64
	asked int64 // the instant at which Redis was asked for it last
	room  int64
}

const (
	// refresh is how long a denial is used before Redis is asked again, so how soon a deleted mark is noticed.
	refresh = time.Second

	// nobody is the room of what denies nobody. It is remembered for a refresh where marks were taken away, so that what
	// was asked before isn't learnt after: an answer that comes later still is due for a refresh at once.
	nobody = -1

	// mostSwept is how many slots are looked at for each one that is added.
	mostSwept = 4
)

// room is how many marks may be alive for this one to fit.
func (m *Mark) room() int64 { return m.Limit - m.Cost }

func (k *denial) denies(m *Mark) bool { return k != nil && m.room() <= k.room && m.Asked < k.until }

func (k *denial) isDue(m *Mark) bool { return m.Asked >= clock.After(k.asked, refresh) }

func (d *denials) find(hash uint64) *denial {
	if number := d.table.Find(hash); number != 0 {
		return &d.table.At(number).Value
	}
	return nil
}

// learn remembers what Redis said of a key, counted from before it was asked, so never longer than Redis itself would
// deny. It may come after its request has left. It says whether nothing newer was known.
func (d *denials) learn(m *Mark, v Verdict) (isNews bool) {
	if v.Answer == Unanswered || v.Source != Redis {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.find(m.Hash)
	switch {
	case known != nil && m.Asked < known.asked:
		return false
	case v.Answer == Granted && v.Remaining > 0:
		if known.denies(m) {
			d.remember(m.Hash, denial{clock.After(m.Asked, refresh), m.Asked, nobody})
		}
	case v.Lasts > 0:
		d.remember(m.Hash, denial{clock.After(m.Asked, v.Lasts), m.Asked, m.room()})
	}
	return true
}

// clear drops what is remembered of a key, and what was asked until now.
func (d *denials) clear(hash uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := clock.Now()
	d.remember(hash, denial{clock.After(t, refresh), t, nobody})
}

func (d *denials) remember(hash uint64, what denial) {
	d.end = max(d.end, what.until)
	if number := d.table.Find(hash); number != 0 {
		d.table.At(number).Value = what
		d.table.Renew(number)
		return
	}
	d.makeRoom(what.asked)
	d.table.Add(hash, what)
}

// makeRoom takes away what has ended, a little at a time, and at the capacity the oldest.
func (d *denials) makeRoom(t int64) {
	for range min(mostSwept, d.table.Len()) {
		d.swept = d.swept%uint32(d.table.Len()) + 1
		if d.table.At(d.swept).Value.until <= t {
			d.table.Remove(d.swept)
		}
	}
	if d.table.Len() >= d.capacity {
		d.table.Remove(d.table.Oldest())
	}
}

// grow raises the capacity.
func (d *denials) grow(capacity int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = max(d.capacity, capacity)
}

// isEmpty says whether all has ended.
func (d *denials) isEmpty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.turns) == 0 && d.end <= clock.Now()
}
