package ginlimit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// withinDeadline bounds the time for which a store that asks Redis may hold a request up. A client that honours a
// context's deadline is called directly. Any other runs beside the request and is left behind at the deadline.
func withinDeadline(cfg config, w *warnings, next store) store {
	limits := direct{next, &deadlines{timeout: cfg.timeout}}
	if honoursDeadlines(cfg.client) {
		return limits
	}
	w.slowClient(cfg.client)
	return beside{limits, make(chan struct{}, mostBeside), make(chan errand)}
}

func honoursDeadlines(client redis.Cmdable) bool {
	switch c := client.(type) {
	case interface{ Options() *redis.Options }:
		return c.Options().ContextTimeoutEnabled
	case interface{ Options() *redis.ClusterOptions }:
		return c.Options().ContextTimeoutEnabled
	case interface{ Options() *redis.RingOptions }:
		return c.Options().ContextTimeoutEnabled
	}
	return false
}

// direct gives each command a deadline.
type direct struct {
	next      store
	deadlines *deadlines
}

func (d direct) take(ctx context.Context, m mark) verdict {
	return d.next.take(d.deadlines.on(ctx), m)
}

func (d direct) undo(ctx context.Context, m mark) error {
	return d.next.undo(d.deadlines.on(ctx), m)
}

// deadlines gives requests that start within the same tenth of the timeout one deadline, because a timer for each takes
// a tenth of a busy machine.
type deadlines struct {
	timeout time.Duration
	latest  atomic.Pointer[deadline]
}

type deadline struct {
	at     time.Time
	passed chan struct{} // closed then
	stale  int64         // from this instant on, requests need a later one
}

func (d *deadlines) on(request context.Context) context.Context {
	t := now()
	latest := d.latest.Load()
	if latest == nil || t >= latest.stale {
		latest = &deadline{time.Now().Add(d.timeout), make(chan struct{}), after(t, d.timeout/10)}
		time.AfterFunc(d.timeout, func() { close(latest.passed) })
		d.latest.Store(latest)
	}
	return &limited{latest, request}
}

// limited is a request's context with another deadline. It keeps the request's values, for tracing, and drops its
// cancellation, so that a client which sends and hangs up is still counted and doesn't look like a failure of Redis.
type limited struct {
	deadline *deadline
	request  context.Context
}

func (l *limited) Deadline() (time.Time, bool) { return l.deadline.at, true }

func (l *limited) Done() <-chan struct{} { return l.deadline.passed }

func (l *limited) Err() error {
	select {
	case <-l.deadline.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func (l *limited) Value(key any) any { return context.WithoutCancel(l.request).Value(key) }

// mostBeside is how many commands may run beside requests. A stopped Redis reaches it only in the moment before the
// breaker opens.
const mostBeside = 1024

var errBusy = errors.New("ginlimit: too many commands are waiting for Redis")

// beside runs each command in another goroutine, which outlives the deadline where the client ignores it. A goroutine that
// is done takes the next command until the deadline of its last one, because its stack has grown by then.
type beside struct {
	direct
	running chan struct{} // one element for each command
	idle    chan errand   // to the goroutines that are done
}

type errand struct {
	ctx     context.Context
	command func(context.Context) verdict
	answer  chan verdict
}

func (b beside) take(ctx context.Context, m mark) verdict {
	return b.run(ctx, func(ctx context.Context) verdict { return b.next.take(ctx, m) })
}

func (b beside) undo(ctx context.Context, m mark) error {
	return b.run(ctx, func(ctx context.Context) verdict { return verdict{err: b.next.undo(ctx, m)} }).err
}

func (b beside) run(ctx context.Context, command func(context.Context) verdict) verdict {
	select {
	case b.running <- struct{}{}:
	default:
		return verdict{err: errBusy}
	}
	e := errand{b.deadlines.on(ctx), command, make(chan verdict, 1)}
	select {
	case b.idle <- e:
	default:
		go b.work(e)
	}
	select {
	case v := <-e.answer:
		return v
	case <-e.ctx.Done():
		return verdict{err: e.ctx.Err()}
	}
}

func (b beside) work(e errand) {
	for {
		b.answer(e)
		select {
		case e = <-b.idle:
		case <-e.ctx.Done():
			return
		}
	}
}

func (b beside) answer(e errand) {
	defer func() {
		if panicked := recover(); panicked != nil { // in a user's hook; here it would end the process
			e.answer <- verdict{err: fmt.Errorf("ginlimit: the Redis client panicked: %v", panicked)}
		}
		<-b.running
	}()
	e.answer <- e.command(e.ctx)
}
