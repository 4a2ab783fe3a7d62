package marks

import (
	"context"
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/line"
)

// A doer sends a call to the server that has its key, and waits for the replies or, with Post, doesn't.
type doer interface {
	Do(ctx context.Context, call *line.Call, wait time.Duration, whole bool) error
	Post(call *line.Call)
}

// A shape is how marks lie under a key. It follows from the policy alone, so that limiters which share a key agree. No clock
// but Redis's own takes part in a decision.
type shape interface {
	// taking is the call that leaves a mark.
	taking(m *Mark) *line.Call
	// read is what the call's replies say; again, that it takes another call to know.
	read(m *Mark, call *line.Call) (v Verdict, again bool)
	// looking is the call that says what taking would, and leaves nothing.
	looking(m *Mark) *line.Call
	// seen is what that call's replies say.
	seen(m *Mark, call *line.Call) Verdict
	// undoing is the call that takes the mark back.
	undoing(m *Mark) *line.Call
}

// redisMarks keeps marks in Redis.
type redisMarks struct {
	shape  shape
	single *single // the shape, where the limit is 1
}

func newRedisMarks(p Policy) *redisMarks {
	switch {
	case p.grouped():
		return &redisMarks{shape: newRedisGroups(p.Interval)}
	case p.Limit > 1:
		return &redisMarks{shape: &sorted{interval: p.Interval}}
	}
	s := newSingle(p.Interval)
	return &redisMarks{shape: s, single: s}
}

// take leaves the mark if it fits. Where no answer came in time, it returns the call whose replies may come late.
func (r *redisMarks) take(ctx context.Context, to doer, m *Mark, t Terms) (Verdict, *line.Call) {
	call := r.shape.taking(m)
	if r.single != nil && t.Full > 0 {
		call = r.single.asking(m)
	}
	if err := to.Do(ctx, call, t.Wait, t.Whole); err != nil {
		return Verdict{Err: err}, call
	}
	v, again := r.shape.read(m, call)
	if !again {
		return r.mend(to, m, v), nil
	}
	return r.ask(ctx, to, m, t, v)
}

// mostRounds bounds how often a mark that is gone by the time it is looked at is asked for again.
const mostRounds = 3

// ask finds out whose mark has refused a limit of 1, and until when. That it was refused is known already, unless the
// request's own mark may be in the way.
func (r *redisMarks) ask(ctx context.Context, to doer, m *Mark, t Terms, refusal Verdict) (Verdict, *line.Call) {
	for range mostRounds {
		call := r.single.asking(m)
		left := t.Wait - time.Duration(clock.Now()-m.Asked)
		known := refusal.Answer == Refused && !t.Mine
		if err := to.Do(ctx, call, left, false); err != nil {
			if !known {
				return Verdict{Err: err}, call
			}
			break
		}
		v, again := r.single.read(m, call)
		if v.Err != nil && !again && known && !isWrongType(v.Err) {
			break
		}
		if !again {
			return r.mend(to, m, v), nil
		}
	}
	return refused(r.single.interval, Redis), nil
}

// mend gives a mark the interval that has none, or a longer one: a stranger's hand, or a failover to a slower clock.
func (r *redisMarks) mend(to doer, m *Mark, v Verdict) Verdict {
	if v.endless {
		to.Post(callOf(m, line.NewCommand("pexpire", m.Key, r.single.milliseconds)))
	}
	return v
}

// read is what a call says whose replies came late.
func (r *redisMarks) read(m *Mark, call *line.Call) Verdict {
	v, _ := r.shape.read(m, call)
	return v
}

func (r *redisMarks) undo(ctx context.Context, to doer, m *Mark, t Terms) error {
	return send(ctx, to, r.shape.undoing(m), t)
}

// canUndoUnread says whether a mark can be taken back whose reply never came.
func (r *redisMarks) canUndoUnread() bool {
	_, grouped := r.shape.(*redisGroups)
	return !grouped
}

func (r *redisMarks) peek(ctx context.Context, to doer, m *Mark, t Terms) Verdict {
	call := r.shape.looking(m)
	if err := to.Do(ctx, call, t.Wait, t.Whole); err != nil {
		return Verdict{Err: err}
	}
	return r.shape.seen(m, call)
}

func (r *redisMarks) forget(ctx context.Context, to doer, m *Mark, t Terms) error {
	return send(ctx, to, callOf(m, line.NewCommand("del", m.Key)), t)
}

// send is for one command of which only the error counts.
func send(ctx context.Context, to doer, call *line.Call, t Terms) error {
	if err := to.Do(ctx, call, t.Wait, t.Whole); err != nil {
		return err
	}
	_, err := call.Commands[0].Reply()
	return err
}

func callOf(m *Mark, commands ...*line.Command) *line.Call {
	return &line.Call{Key: m.Key, Commands: commands}
}
