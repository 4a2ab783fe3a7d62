package marks

import (
	"context"
	_ "embed"
	"errors"
	"strings"
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/line"
)

var errReply = errors.New("ginlimit: Redis sent a reply of an unexpected shape")

// A doer sends a call to the server that has its key, and waits for the replies.
type doer interface {
	Do(ctx context.Context, call *line.Call, wait time.Duration, whole bool) error
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
		if v.Err != nil && !again && known {
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
	if poster, can := to.(interface{ Post(*line.Call) }); can && v.endless {
		poster.Post(callOf(m, line.NewCommand("pexpire", m.Key, r.single.milliseconds)))
	}
	return v
}

// read is what a call says whose replies came late.
func (r *redisMarks) read(m *Mark, call *line.Call) Verdict {
	v, _ := r.shape.read(m, call)
	return v
}

func (r *redisMarks) undo(ctx context.Context, to doer, m *Mark, t Terms) error {
	call := r.shape.undoing(m)
	if err := to.Do(ctx, call, t.Wait, t.Whole); err != nil {
		return err
	}
	_, err := call.Commands[0].Reply()
	return err
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
	call := callOf(m, line.NewCommand("del", m.Key))
	if err := to.Do(ctx, call, t.Wait, t.Whole); err != nil {
		return err
	}
	_, err := call.Commands[0].Reply()
	return err
}

func callOf(m *Mark, commands ...*line.Command) *line.Call {
	return &line.Call{Key: m.Key, Commands: commands}
}

// scripted reads the reply of a script: {1 for allowed or 0 for denied, marks remaining, milliseconds until this cost could
// pass}, and what is behind.
func scripted(m *Mark, reply any, err error, interval time.Duration) (Verdict, []any) {
	if err != nil {
		return Verdict{Err: err}, nil
	}
	values, _ := reply.([]any)
	if len(values) < 3 {
		return Verdict{Err: errReply}, nil
	}
	allowed, is0 := values[0].(int64)
	remaining, is1 := values[1].(int64)
	ms, is2 := values[2].(int64)
	if !is0 || !is1 || !is2 || allowed < 0 || allowed > 1 || remaining < 0 || remaining > m.Limit ||
		ms < 0 || ms > interval.Milliseconds()+1 || (ms == 0) != (allowed == 1 && remaining > 0) {
		return Verdict{Err: errReply}, nil
	}
	v := Verdict{Answer: Refused, Source: Redis, Remaining: remaining}
	if ms > 0 {
		v.Lasts = time.Duration(ms-1) * time.Millisecond
		v.Wait = aMillisecondAfter(v.Lasts)
	}
	if allowed == 1 {
		v.Answer, v.Held = Granted, true
	}
	return v, values[3:]
}

// aMillisecondAfter is when a key or a mark is gone of which Redis says that it lives for so long: the last millisecond is its own.
func aMillisecondAfter(d time.Duration) time.Duration {
	return time.Duration(clock.After(int64(d), time.Millisecond))
}

// scriptsRefused says that Redis won't run scripts, or not what is in them: in the words of Redis 6.2 and newer.
func scriptsRefused(err error) bool {
	text := strings.ReplaceAll(strings.ToLower(err.Error()), "`", "'")
	for _, words := range []string{
		"permissions to run the 'eval", "unknown command 'eval", "can't run this command", "unknown redis command called from",
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return strings.Contains(text, "acl failure in script") && strings.Contains(text, "permissions to run the '")
}
