package ginlimit

import (
	"context"
	"math"
	"sync"
	"time"
)

// refresh is how long a remembered denial is used before Redis is asked again, so how soon a deleted or refunded mark is
// noticed.
const refresh = time.Second

// denials remembers what Redis said of full keys, in front of the store that asks it: a client that comes back again and
// again is denied here and costs Redis one command per refresh. A ring holds what was learnt in that order; what has
// ended leaves at its tail as more comes.
type denials struct {
	next     store
	limit    int
	capacity uint32

	mu     sync.Mutex
	ring   ring[denial]
	asking map[uint64]chan struct{} // keys of which one request asks Redis; closed for those who wait, if there are any
}

type denial struct {
	until int64 // the key is full until this instant, or was
	ask   int64 // from this instant on, Redis is asked again
}

func newDenials(cfg config, next store) *denials {
	return &denials{
		next: next, limit: cfg.limit, capacity: uint32(min(cfg.capacity, math.MaxInt32)),
		ring: newRing[denial](), asking: map[uint64]chan struct{}{},
	}
}

// take denies by what is remembered, or asks. Where a key has no more than one free mark to give (its limit is 1, or it
// was full lately), requests ask one at a time: while a remembered denial lasts the others are denied by it, else they
// wait for the answer.
func (d *denials) take(ctx context.Context, m mark) verdict {
	sent := now()
	what, until, answered := d.consult(m.hash, sent)
	if what == wait {
		<-answered // within the deadline of the one that asks
		sent = now()
		what, until, _ = d.consult(m.hash, sent)
	}
	switch what {
	case deny:
		return refused(time.Duration(until-sent), Cache)
	case askAlone:
		defer d.release(m.hash)
	}
	m.full = until
	v := d.next.take(ctx, m)
	d.learn(m.hash, sent, v)
	return v
}

// undo forgets the denial that came with the mark.
func (d *denials) undo(ctx context.Context, m mark) error {
	err := d.next.undo(ctx, m)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(d.ring.find(m.hash))
	return err
}

type advice int

const (
	ask      advice = iota
	askAlone        // and release
	deny
	wait
)

func (d *denials) consult(hash uint64, t int64) (advice, int64, chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	link := d.ring.find(hash)
	var known denial
	if *link != 0 {
		known = d.ring.at(*link).value
	}
	answered, isAsked := d.asking[hash]
	switch {
	case t < known.until && (t < known.ask || isAsked):
		return deny, known.until, nil
	case isAsked:
		if answered == nil {
			answered = make(chan struct{})
			d.asking[hash] = answered
		}
		return wait, known.until, answered
	case *link != 0 || d.limit == 1:
		d.asking[hash] = nil
		return askAlone, known.until, nil
	}
	return ask, 0, nil
}

func (d *denials) release(hash uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if answered := d.asking[hash]; answered != nil {
		close(answered)
	}
	delete(d.asking, hash)
}

// learn remembers what Redis has said, counted from before it was asked: never longer than Redis itself would deny.
func (d *denials) learn(hash uint64, sent int64, v verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	link := d.ring.find(hash)
	if said := v.err == nil && v.source == Redis; said && v.remaining == 0 {
		d.remember(link, hash, denial{until: after(sent, v.wait), ask: after(sent, refresh)})
	} else if *link == 0 {
		return
	} else if known := &d.ring.at(*link).value; !said {
		known.ask = after(sent, refresh)
	} else if sent > known.ask-int64(refresh) { // asked after what is remembered
		d.forget(link)
	}
}

// remember keeps the entry where it stands while what it knows goes on, so that a refresh leaves no gap.
func (d *denials) remember(link *uint32, hash uint64, learnt denial) {
	if *link != 0 {
		if known := &d.ring.at(*link).value; learnt.until <= after(known.until, refresh) {
			*known = learnt
			return
		}
		d.ring.takeOut(link)
	}
	d.makeRoom(learnt.ask - int64(refresh))
	d.ring.push(d.ring.find(hash), hash, learnt)
}

// makeRoom drops what has ended from the ring's tail, and at the capacity what is there.
func (d *denials) makeRoom(t int64) {
	for d.ring.length() > 0 {
		oldest := d.ring.at(d.ring.tail)
		if oldest.hash != gap {
			if oldest.value.until > t && d.ring.length() < d.capacity {
				return
			}
			d.ring.takeOut(d.ring.find(oldest.hash))
		}
		d.ring.drop()
	}
}

func (d *denials) forget(link *uint32) {
	if *link != 0 {
		d.ring.takeOut(link)
	}
}
