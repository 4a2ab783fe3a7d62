package ginlimit

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// withinDeadline bounds the time for which a store that asks Redis may hold a request up. A client that honours a
// context's deadline is called directly. Any other runs beside the request and is left behind at the deadline.
func withinDeadline(cfg config, w *warnings, next store) store {
	d := &deadlines{timeout: cfg.timeout}
	if honoursDeadlines(cfg.client) {
		return &direct{next, d, make(turns, mostAtOnce(cfg.client, unbounded))}
	}
	w.slowClient(cfg.client)
	return &beside{direct{next, d, make(turns, mostAtOnce(cfg.client, mostBeside))}, make(chan errand)}
}

const (
	unbounded  = math.MaxInt32 // turns take no memory
	mostBeside = 1024          // goroutines that a client which ignores deadlines may hold
)

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
	turns     turns
}

func (d *direct) take(ctx context.Context, m mark) verdict {
	ctx = d.deadlines.on(ctx)
	if err := d.turns.wait(ctx); err != nil {
		return verdict{err: err}
	}
	defer d.turns.end()
	return d.next.take(ctx, m)
}

func (d *direct) undo(ctx context.Context, m mark) error {
	ctx = d.deadlines.on(ctx)
	if err := d.turns.wait(ctx); err != nil {
		return err
	}
	defer d.turns.end()
	return d.next.undo(ctx, m)
}

// turns bounds how many commands run at once: it holds one element for each. Where that is as many as the client has
// connections, requests wait for one here, which is cheaper than in the client, with a timer for each.
type turns chan struct{}

func (t turns) wait(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turns) end() { <-t }

// mostAtOnce is the size of the client's pool, where it is a client of one server.
func mostAtOnce(client redis.Cmdable, otherwise int) int {
	if c, isOne := client.(interface{ Options() *redis.Options }); isOne && c.Options().PoolSize > 0 {
		return c.Options().PoolSize
	}
	return otherwise
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

// on is the context of a command that starts now.
func (d *deadlines) on(request context.Context) context.Context {
	t, latest := now(), d.latest.Load()
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

// beside runs each command in another goroutine, which outlives the deadline where the client ignores it. A goroutine that
// is done takes the next command until the deadline of its last one, because its stack has grown by then.
type beside struct {
	direct
	idle chan errand // to the goroutines that are done
}

type errand struct {
	ctx     context.Context
	command func(context.Context) verdict
	answer  chan verdict
}

func (b *beside) take(ctx context.Context, m mark) verdict {
	return b.run(b.deadlines.on(ctx), func(ctx context.Context) verdict { return b.next.take(ctx, m) })
}

func (b *beside) undo(ctx context.Context, m mark) error {
	return b.run(b.deadlines.on(ctx), func(ctx context.Context) verdict {
		return verdict{err: b.next.undo(ctx, m)}
	}).err
}

func (b *beside) run(ctx context.Context, command func(context.Context) verdict) verdict {
	if err := b.turns.wait(ctx); err != nil {
		return verdict{err: err}
	}
	e := errand{ctx, command, make(chan verdict, 1)}
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

func (b *beside) work(e errand) {
	for {
		b.answer(e)
		select {
		case e = <-b.idle:
		case <-e.ctx.Done():
			return
		}
	}
}

func (b *beside) answer(e errand) {
	defer func() {
		if panicked := recover(); panicked != nil { // in a user's hook; here it would end the process
			e.answer <- verdict{err: fmt.Errorf("ginlimit: the Redis client panicked: %v", panicked)}
		}
		b.turns.end()
	}()
	e.answer <- e.command(e.ctx)
}
