package ginlimit

import (
	"context"
	"sync"
	"time"
)

// refresh is how long a remembered denial is used before Redis is asked again, so how soon a deleted or refunded mark is
// noticed.
const refresh = time.Second

// denials remembers what Redis said of full keys, in front of the store that asks it: a client that comes back again and
// again is denied here and costs Redis one command per refresh. There are two generations of entries, so that old ones
// leave without a goroutine and the table stays within its capacity: once the newer is full or an interval old, it
// becomes the older, which is forgotten.
type denials struct {
	next     store
	limit    int
	interval time.Duration
	capacity int // of a generation

	mu     sync.Mutex
	newer  map[uint64]denial // by the key's hash
	older  map[uint64]denial
	turned int64                    // when the newer generation began
	asking map[uint64]chan struct{} // keys of which one request asks Redis; closed for those who wait, if there are any
}

type denial struct {
	until int64 // the key is full until this instant, or was
	ask   int64 // from this instant on, Redis is asked again
}

func newDenials(cfg config, next store) *denials {
	return &denials{
		next: next, limit: cfg.limit, interval: cfg.interval, capacity: (cfg.capacity + 1) / 2, turned: now(),
		newer: map[uint64]denial{}, older: map[uint64]denial{}, asking: map[uint64]chan struct{}{},
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
	d.forget(m.hash)
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
	known, found := d.find(hash)
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
	case found || d.limit == 1:
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
	if said := v.err == nil && v.source == Redis; said && v.remaining == 0 {
		d.remember(hash, sent, after(sent, v.wait))
		return
	} else if known, found := d.find(hash); found && !said {
		d.remember(hash, sent, known.until)
	} else if found && sent > known.ask-int64(refresh) { // asked after what is remembered
		d.forget(hash)
	}
}

func (d *denials) remember(hash uint64, sent, until int64) {
	d.turn(sent)
	d.newer[hash] = denial{until: until, ask: after(sent, refresh)}
}

func (d *denials) find(hash uint64) (denial, bool) {
	known, found := d.newer[hash]
	if !found {
		known, found = d.older[hash]
	}
	return known, found
}

func (d *denials) forget(hash uint64) {
	delete(d.newer, hash)
	delete(d.older, hash)
}

// turn starts a new generation when it is time to.
func (d *denials) turn(t int64) {
	age := time.Duration(t - d.turned)
	if age < d.interval && len(d.newer) < d.capacity {
		return
	}
	d.older, d.newer, d.turned = d.newer, map[uint64]denial{}, t
	if age >= 2*d.interval {
		d.older = map[uint64]denial{}
	}
}
