package ginlimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// withinDeadline bounds the time for which a store that asks Redis may hold a request up. A client that honours a
// context's deadline is called directly. Any other runs beside the request and is left behind at the deadline.
func withinDeadline(cfg config, w *warnings, next store) store {
	if honoursDeadlines(cfg.client) {
		return direct{next, cfg.timeout}
	}
	w.slowClient(cfg.client)
	return beside{direct{next, cfg.timeout}, make(chan struct{}, mostBeside)}
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

// direct gives each command a deadline and keeps the request's values, for tracing. It drops the request's cancellation,
// so that a client which sends and hangs up is still counted and doesn't look like a failure of Redis.
type direct struct {
	next    store
	timeout time.Duration
}

func (d direct) take(ctx context.Context, m mark) verdict {
	ctx, cancel := d.context(ctx)
	defer cancel()
	return d.next.take(ctx, m)
}

func (d direct) undo(ctx context.Context, m mark) error {
	ctx, cancel := d.context(ctx)
	defer cancel()
	return d.next.undo(ctx, m)
}

func (d direct) context(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
}

// mostBeside is how many commands may run beside requests. A stopped Redis reaches it only in the moment before the
// breaker opens.
const mostBeside = 1024

var errBusy = errors.New("ginlimit: too many commands are waiting for Redis")

// beside runs each command in a goroutine of its own, which outlives the deadline where the client ignores it.
type beside struct {
	direct
	running chan struct{} // one element for each of them
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
	ctx, cancel := b.context(ctx)
	defer cancel()
	answer := make(chan verdict, 1)
	go func() {
		defer func() {
			if panicked := recover(); panicked != nil { // in a user's hook; here it would end the process
				answer <- verdict{err: fmt.Errorf("ginlimit: the Redis client panicked: %v", panicked)}
			}
			<-b.running
		}()
		answer <- command(ctx)
	}()
	select {
	case v := <-answer:
		return v
	case <-ctx.Done():
		return verdict{err: ctx.Err()}
	}
}
