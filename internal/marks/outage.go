package marks

import (
	"context"
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/line"
)

// outage asks Redis, and decides by this process's own marks where Redis can't answer or may not know them: from the first
// command that failed until one interval after the last. Then they are looked at first, so that neither the start nor the
// end of an outage gives a client a second request.
type outage struct {
	line  *line.Line
	redis *redisMarks
	own   *memory // granted to this process, by Redis or in its place
	learn func(m *Mark, v Verdict)
}

func (o *outage) take(ctx context.Context, m *Mark, t Terms) Verdict {
	if t.Failed != nil {
		return o.decide(m, t, t.Failed)
	}
	node := o.line.Node(m.Key)
	if v, refused := o.first(node, m, t); refused {
		return v
	}
	v, unread := o.redis.take(ctx, node, m, t)
	switch {
	case v.Err != nil:
		v = o.decide(m, t, v.Err)
		if unread != nil {
			o.follow(node, unread, m, v.Answer == Granted || v.Answer == Unanswered && t.Open)
		}
	case v.Held:
		return o.keep(node, m, t, v)
	}
	return v
}

// first says whether own marks refuse the mark, where they decide before Redis.
func (o *outage) first(node *line.Node, m *Mark, t Terms) (Verdict, bool) {
	if !t.Local {
		return Verdict{}, false
	}
	v, refused := o.own.first(m, node.Unsure())
	if refused {
		v.Err = node.Away()
	}
	return v, refused
}

// keep notes marks that Redis granted. Where own marks are first they decide: another request may have got the last one in
// Redis's place while Redis was answering this one.
func (o *outage) keep(node *line.Node, m *Mark, t Terms, v Verdict) Verdict {
	unsure := node.Unsure()
	if !t.Local {
		unsure = 0
	}
	local, fits := o.own.keep(m, unsure)
	v.Crowded = local.Crowded
	if fits || !t.Local {
		return v
	}
	node.Post(o.redis.shape.undoing(m))
	local.Err = node.Away()
	return local
}

// decide is what holds where Redis can't answer: a denial that it gave before, or own marks, or the failure mode of who asks.
func (o *outage) decide(m *Mark, t Terms, err error) Verdict {
	v := Verdict{Source: Memory}
	switch left := t.Full - clock.Now(); {
	case left > 0:
		v = refused(time.Duration(left), Cache)
	case t.Local:
		v = o.own.takeInPlace(m)
	}
	v.Err = err
	return v
}

// follow makes good what a command does after its request has left: marks are taken back, unless the request was let through
// on them; a denial is remembered.
func (o *outage) follow(node *line.Node, call *line.Call, m *Mark, through bool) {
	late := *m // the request goes on with its own
	call.Afterwards(func(fate line.Fate) {
		var v Verdict
		if fate == line.Answered {
			v = o.redis.read(&late, call)
		}
		switch {
		case v.Answer == Refused:
			o.learn(&late, v)
		case !through && (v.Held || fate == line.Unknown && o.redis.canUndoUnread()):
			node.Post(o.redis.shape.undoing(&late))
		}
	})
}

// undo takes marks back in this process whatever becomes of those in Redis: nobody shall be held by what was given back.
func (o *outage) undo(ctx context.Context, m *Mark, t Terms) error {
	o.own.undo(m)
	return o.redis.undo(ctx, o.line.Node(m.Key), m, t)
}

func (o *outage) peek(ctx context.Context, m *Mark, t Terms) Verdict {
	node := o.line.Node(m.Key)
	if v, refused := o.first(node, m, t); refused {
		return v
	}
	v := o.redis.peek(ctx, node, m, t)
	if v.Err == nil || !t.Local {
		return v
	}
	local := o.own.peek(m)
	local.Err = v.Err
	return local
}

func (o *outage) forget(ctx context.Context, m *Mark, t Terms) error {
	o.own.forget(m.Hash)
	return o.redis.forget(ctx, o.line.Node(m.Key), m, t)
}
