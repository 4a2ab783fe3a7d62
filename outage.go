package ginlimit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Failure is what a limiter does while Redis can't answer.
type Failure int

const (
	FailLocal  Failure = iota // limit by the marks that this process knows of
	FailOpen                  // let everything through
	FailClosed                // answer 503
)

// String returns "FailLocal", "FailOpen" or "FailClosed".
func (f Failure) String() string {
	return name(int(f), "FailLocal", "FailOpen", "FailClosed")
}

// moment is the time over which the breaker looks back, for which it stays open, and which Redis must have answered for
// an outage to be over.
const moment = time.Second

// outage decides in Redis's place while Redis can't: it stands around the store that asks Redis, with a circuit breaker
// so that a Redis which is away is asked once a moment only.
type outage struct {
	next     store
	breaker  *gobreaker.CircuitBreaker[verdict]
	mode     Failure
	limit    int
	interval time.Duration
	own      *memory // FailLocal: the marks that this process was granted, by Redis or in its place
	warnings *warnings

	ownFirst atomic.Int64 // until this instant, own marks are looked at before Redis is asked
	failedAt atomic.Int64
	reason   atomic.Pointer[error] // of the last failure; nil while Redis answers
}

func newOutage(cfg config, w *warnings, next store) *outage {
	o := &outage{
		next: next, mode: cfg.failure, limit: cfg.limit, interval: cfg.interval,
		own: newMemory(cfg, w), warnings: w,
		breaker: gobreaker.NewCircuitBreaker[verdict](gobreaker.Settings{
			Interval: moment, BucketPeriod: moment / 10, Timeout: moment,
			ReadyToTrip: func(c gobreaker.Counts) bool {
				return c.TotalFailures >= 5 && 2*c.TotalFailures >= c.Requests
			},
			IsExcluded: isOneKeys,
		}),
	}
	watchFailover(cfg.client, o.lookAtOwnFirst)
	return o
}

func (o *outage) take(ctx context.Context, m mark) verdict {
	if o.mode == FailLocal && o.isOwnFirst() {
		if v, full := o.own.full(m); full {
			v.err = o.reasonOr(nil)
			return v
		}
	}
	v, err := o.ask(ctx, m, store.take)
	if err != nil {
		return o.decide(ctx, m, err)
	}
	if o.mode == FailLocal && v.outcome == Allowed {
		return o.keep(ctx, m, v)
	}
	return v
}

// undo takes the mark back from Redis first, then from this process.
func (o *outage) undo(ctx context.Context, m mark) error {
	_, err := o.ask(ctx, m, func(next store, ctx context.Context, m mark) verdict { return verdict{err: next.undo(ctx, m)} })
	_ = o.own.undo(ctx, m)
	return err
}

// ask sends a command, unless the breaker is open. Any failure puts own marks first. While Redis answers, the breaker is
// left out: it counts from the first failure to the end of the outage.
func (o *outage) ask(
	ctx context.Context, m mark, command func(next store, ctx context.Context, m mark) verdict,
) (verdict, error) {
	var first verdict
	if o.reason.Load() == nil {
		if first = command(o.next, ctx, m); first.err == nil {
			return first, nil
		}
	}
	v, err := o.breaker.Execute(func() (verdict, error) {
		if first.err != nil {
			return first, first.err
		}
		v := command(o.next, ctx, m)
		return v, v.err
	})
	if err == nil {
		o.answered()
		return v, nil
	}
	o.lookAtOwnFirst()
	switch sent := v.err != nil; {
	case sent && !isOneKeys(err):
		o.failed(err)
	case !sent:
		err = o.reasonOr(err)
	}
	return v, err
}

// decide applies the failure mode.
func (o *outage) decide(ctx context.Context, m mark, err error) verdict {
	var v verdict
	switch left := time.Duration(m.full - now()); {
	case left > 0:
		v = refused(left, Cache)
	case o.mode == FailLocal:
		v = o.own.take(ctx, m)
		o.lookAtOwnFirst() // again, because this mark lives longer than the failure's interval
	case o.mode == FailOpen:
		v = verdict{outcome: Allowed, source: Memory, remaining: o.limit}
	default:
		v = verdict{outcome: Unavailable, source: Memory, wait: time.Second}
	}
	v.err = err
	return v
}

// keep remembers a mark that Redis granted. Where own marks come first, they decide: another request may have got the
// last one in Redis's place while Redis was answering this one.
func (o *outage) keep(ctx context.Context, m mark, v verdict) verdict {
	if !o.isOwnFirst() {
		o.own.note(m)
	} else if local := o.own.take(ctx, m); local.outcome != Allowed {
		return local
	}
	return v
}

func (o *outage) isOwnFirst() bool {
	until := o.ownFirst.Load()
	return until > 0 && now() < until
}

func (o *outage) lookAtOwnFirst() {
	until := after(now(), o.interval)
	for last := o.ownFirst.Load(); last < until && !o.ownFirst.CompareAndSwap(last, until); last = o.ownFirst.Load() {
	}
}

// reasonOr returns the reason of the outage, or err where there is none.
func (o *outage) reasonOr(err error) error {
	if reason := o.reason.Load(); reason != nil {
		return *reason
	}
	return err
}

func (o *outage) failed(err error) {
	o.failedAt.Store(now())
	if o.reason.Swap(&err) == nil {
		o.warnings.redisGone(err)
	}
}

// answered ends an outage once no command has failed for a moment, so that a Redis which answers now and then (a cluster
// without one of its nodes) is one outage, not many.
func (o *outage) answered() {
	reason := o.reason.Load()
	if reason == nil || now() < after(o.failedAt.Load(), moment) {
		return
	}
	if o.reason.CompareAndSwap(reason, nil) {
		o.warnings.redisBack()
	}
}
