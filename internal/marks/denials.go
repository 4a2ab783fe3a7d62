package marks

import (
	"context"
	"sync"
	"time"

	"github.com/ginlimit/ginlimit/internal/queue"
)

// denials remembers what Redis said of full keys, in front of the store that asks it: a client that comes back again and
// again is denied here, and costs Redis one question per refresh.
type denials struct {
	next store

	mu       sync.Mutex
	capacity int
	table    queue.Queue[denial] // in the order in which they were learnt
	swept    uint32              // the slot that was looked at last, for one that has ended
	end      int64               // nothing that was ever remembered ends later
	turns    map[uint64]*turn    // by the hash of a key; nil where nobody waits for its end
}

func newDenials(next store, capacity int) *denials {
	return &denials{next: next, capacity: capacity, table: queue.New[denial](), turns: map[uint64]*turn{}}
}

// take denies by what is remembered, or asks. Where that is to be refreshed, and where only one of all who ask can be
// granted a mark, one asks at a time: the others are denied by what is remembered, or wait for the answer.
func (d *denials) take(ctx context.Context, m *Mark, t Terms) Verdict {
	do, until, other := d.consult(m)
	for do == wait {
		v := other.await(m, &t)
		if v.Answer == Refused {
			return v
		}
		if v.Err != nil {
			t.Failed = v.Err
			return d.next.take(ctx, m, t)
		}
		do, until, other = d.consult(m)
	}
	switch t.Full = until; do {
	case deny:
		return remembered(m, until)
	case askAlone:
		return d.takeTurn(ctx, m, t)
	}
	v := d.next.take(ctx, m, t)
	d.learn(m, v)
	return v
}

// peek uses what is remembered, and leaves it to take to refresh it.
func (d *denials) peek(ctx context.Context, m *Mark, t Terms) Verdict {
	d.mu.Lock()
	known := d.find(m.Hash)
	isFresh := false
	if known.denies(m) {
		t.Full, isFresh = known.until, !known.isDue(m)
	}
	d.mu.Unlock()
	if isFresh {
		return remembered(m, t.Full)
	}
	v := d.next.peek(ctx, m, t)
	if v.Answer == Refused { // where it is granted, nothing was left
		d.learn(m, v)
	}
	return v
}

func remembered(m *Mark, until int64) Verdict {
	return Verdict{Answer: Refused, Source: Cache, Wait: time.Duration(until - m.Asked)}
}

// undo takes the mark back, and what is remembered of its key with it.
func (d *denials) undo(ctx context.Context, m *Mark, t Terms) error {
	err := d.next.undo(ctx, m, t)
	d.clear(m.Hash)
	return err
}

func (d *denials) forget(ctx context.Context, m *Mark, t Terms) error {
	err := d.next.forget(ctx, m, t)
	d.clear(m.Hash)
	return err
}

type advice int

const (
	ask advice = iota
	askAlone
	deny
	wait
)

// consult says what to do, the instant until which the mark is known to be denied, or 0, and whose turn is to be waited
// for. Who may be granted a mark beside the one who asks doesn't wait: on a distant Redis no time would be left to ask.
func (d *denials) consult(m *Mark) (do advice, until int64, other *turn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.find(m.Hash)
	if known.denies(m) {
		until = known.until
	} else if m.room() > 0 {
		return ask, 0, nil
	}
	other, isTaken := d.turns[m.Hash]
	switch {
	case until > 0 && (isTaken || !known.isDue(m)):
		return deny, until, nil
	case until > 0:
		known.asked = m.Asked // at once, so that this was the refresh also where no answer comes
	case isTaken:
		if other == nil {
			other = newTurn()
			d.turns[m.Hash] = other
		}
		return wait, 0, other
	}
	d.turns[m.Hash] = nil
	return askAlone, until, nil
}
