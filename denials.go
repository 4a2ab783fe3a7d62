package ginlimit

import (
	"context"
	"errors"
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

	mu      sync.Mutex
	ring    ring[denial]
	waiting map[uint64]chan struct{} // by key, for those who wait for the request that asks Redis: closed when it has
}

type denial struct {
	until int64 // the key is full until this instant, or was; 0: it isn't known to have been
	ask   int64 // from this instant on, Redis is asked again
}

// asking stands for ask while a request is asking.
const asking = math.MaxInt64

func newDenials(cfg config, next store) *denials {
	return &denials{
		next: next, limit: cfg.limit, capacity: uint32(min(cfg.capacity, math.MaxInt32)),
		ring: newRing[denial](), waiting: map[uint64]chan struct{}{},
	}
}

// take denies by what is remembered, or asks. Where a key has no more than one free mark to give (its limit is 1, or it
// was full lately), requests ask one at a time: while a remembered denial lasts the others are denied by it, else they
// wait for the answer.
func (d *denials) take(ctx context.Context, m mark) verdict {
	what, until, answered := d.consult(m.hash, m.asked)
	if what == wait {
		<-answered // within the deadline of the one that asks
		m.asked = now()
		what, until, _ = d.consult(m.hash, m.asked)
	}
	if what == deny {
		return refused(time.Duration(until-m.asked), Cache)
	}
	m.full = until
	v := verdict{err: errPanicked}
	defer func() { d.settle(m.hash, m.asked, v, what == askAlone) }()
	v = d.next.take(ctx, m)
	return v
}

// errPanicked stands for an answer where the client, or a user's hook in it, panics.
var errPanicked = errors.New("ginlimit: the Redis client panicked")

// undo forgets the denial that came with the mark.
func (d *denials) undo(ctx context.Context, m mark) error {
	err := d.next.undo(ctx, m)
	d.mu.Lock()
	defer d.mu.Unlock()
	if link := d.ring.find(m.hash); *link != 0 {
		d.ring.takeOut(link)
	}
	return err
}

type advice int

const (
	ask advice = iota
	askAlone
	deny
	wait
)

func (d *denials) consult(hash uint64, t int64) (advice, int64, chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	link := d.ring.find(hash)
	if *link == 0 {
		if d.limit > 1 {
			return ask, 0, nil
		}
		d.add(hash, denial{ask: asking}, t)
		return askAlone, 0, nil
	}
	switch known := &d.ring.at(*link).value; {
	case t < known.until && t < known.ask:
		return deny, known.until, nil
	case known.ask == asking:
		return wait, known.until, d.answered(hash)
	default:
		known.ask = asking
		return askAlone, known.until, nil
	}
}

func (d *denials) answered(hash uint64) chan struct{} {
	answered, found := d.waiting[hash]
	if !found {
		answered = make(chan struct{})
		d.waiting[hash] = answered
	}
	return answered
}

// settle remembers what Redis has said, counted from before it was asked: never longer than Redis itself would deny.
func (d *denials) settle(hash uint64, sent int64, v verdict, alone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	link := d.ring.find(hash)
	said := v.err == nil && v.source == Redis
	if said && v.remaining == 0 {
		d.remember(link, hash, denial{until: after(sent, v.wait), ask: after(sent, refresh)})
	} else if *link != 0 {
		switch known := &d.ring.at(*link).value; {
		case !said && known.until > 0:
			known.ask = after(sent, refresh)
		case !said, alone, sent > known.ask-int64(refresh): // asked after what is remembered
			d.ring.takeOut(link)
		}
	}
	if answered, found := d.waiting[hash]; alone && found {
		close(answered)
		delete(d.waiting, hash)
	}
}

// remember keeps the entry where it stands while what it knows goes on, so that a refresh leaves no gap.
func (d *denials) remember(link *uint32, hash uint64, learnt denial) {
	if *link != 0 {
		if known := &d.ring.at(*link).value; known.until == 0 || learnt.until <= after(known.until, refresh) {
			*known = learnt
			return
		}
		d.ring.takeOut(link)
	}
	d.add(hash, learnt, learnt.ask-int64(refresh))
}

func (d *denials) add(hash uint64, what denial, t int64) {
	d.makeRoom(t)
	d.ring.show(d.ring.find(hash), d.ring.add(hash, what))
}

// makeRoom drops what has ended from the ring's tail, and at the capacity what is there.
func (d *denials) makeRoom(t int64) {
	for d.ring.length() > 0 {
		oldest := d.ring.at(d.ring.tail)
		if oldest.hash != gap {
			if isAlive := oldest.value.until > t || oldest.value.ask == asking; isAlive && d.ring.length() < d.capacity {
				return
			}
			d.ring.takeOut(d.ring.find(oldest.hash))
		}
		d.ring.drop()
	}
}
