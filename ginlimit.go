// Package ginlimit is a Gin middleware that lets each client through a route once per interval and answers 429 Too
// Many Requests (RFC 6585 §4) to whoever comes back too early.
//
// A request that is let through leaves a mark that lives for one interval; a request is denied while the limit's worth
// of marks is alive. So no window of one interval, wherever it starts, ever holds more requests than the limit. Marks
// live in Redis, where every process sees them, or in this process's memory where no client is given.
package ginlimit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/marks"
)

// New returns a middleware for a route or a group of routes: NewLimiter(opts...).Handle. Without options it lets each
// client through each route once per 3 seconds and keeps its marks in this process's memory.
//
// A wrong option panics here, never later, with one sentence that begins with "ginlimit: " and names the option and its
// value. New starts no goroutine and needs no Close. Limiters share marks where their prefix, policy (limit and
// interval), scope and Redis client are the same. New belongs to set-up: marks in memory end with their limiter.
func New(opts ...Option) gin.HandlerFunc { return NewLimiter(opts...).Handle }

// NewLimiter returns a limiter, whose Handle is the middleware. It panics as New does.
func NewLimiter(opts ...Option) *Limiter {
	cfg := newConfig(opts)
	l := &Limiter{config: cfg, warnings: &warnings{logger: cfg.logger, policy: cfg.prefix, failure: cfg.failure}}
	l.keys = newKeys(cfg, l.warnings)
	policy := marks.Policy{Limit: int64(cfg.limit), Interval: cfg.interval}
	if cfg.limitFunc != nil {
		policy.Limit = 0
	}
	if cfg.client == nil {
		l.marks = marks.InMemory(policy, cfg.capacity)
	} else {
		l.marks = marks.In(cfg.client, l.keys.head+cfg.scope.String(), policy, cfg.capacity)
	}
	return l
}

// A Limiter lets each client through once per interval. It is safe for any number of requests at once.
type Limiter struct {
	config
	keys     *keys
	marks    *marks.Set
	delays   delays
	warnings *warnings
}

// Handle is the middleware: it lets the request go on, or answers 429 (503 where Redis can't answer and the failure mode is
// FailClosed) and aborts the chain. A request is counted once by the same marks, however often it meets them.
func (l *Limiter) Handle(c *gin.Context) {
	n := noteOf(c)
	a := l.question(c, n)
	switch known := n.of(a); {
	case a.settled:
	case known != nil:
		l.repeat(known, a)
		a = known
	default:
		n = l.take(c, n, a)
	}
	d := l.decide(a)
	if a.isNews(d) {
		l.tell(c, d)
	}
	if d.Outcome != Allowed && !d.DryRun {
		l.deny(c, d)
		return
	}
	offers := l.refund != nil && a.verdict.Held && !a.refunds
	a.refunds, a.failure = a.refunds || offers, l.failure
	n = n.remember(c, a)
	if offers {
		l.offerRefund(c, n, a)
	}
}

// Peek returns what a further request like this one would get now, by this limiter alone. It leaves no mark, writes nothing
// to Redis and observes nothing; what it waits for Redis counts as this request's wait.
func (l *Limiter) Peek(c *gin.Context) Decision {
	n := noteOf(c)
	a := l.question(c, n)
	if !a.settled {
		a.verdict = l.marks.Peek(c.Request.Context(), &a.mark, l.terms(n.waited()))
		n.wait(c, a)
		l.warn(a.verdict)
	}
	return l.decide(a)
}

// Forget takes all marks under a Decision's Key away, so that this client is let through again: at once in this process,
// within a second in others, which remember denials, and after an interval in a process whose own marks decide because Redis
// was away. It returns an error for what is no key of this limiter, and Redis's error where that couldn't be told. It waits
// until ctx's deadline, or where there is none for the timeout.
func (l *Limiter) Forget(ctx context.Context, key string) error {
	if !l.keys.own(key) {
		return fmt.Errorf("ginlimit: Forget(%.200q): is no key of this limiter, whose keys begin with %q", key, l.keys.head)
	}
	wait := l.timeout
	if deadline, has := ctx.Deadline(); has {
		wait = time.Until(deadline)
	}
	m := &marks.Mark{Key: key, Hash: hash(key), Asked: clock.Now()}
	return l.marks.Forget(ctx, m, marks.Terms{Wait: wait, Whole: wait >= l.timeout})
}

// question is what a request asks for, and the answer where that needs no marks: a limit that lets nothing through, and a
// cost that leaves none or too many.
func (l *Limiter) question(c *gin.Context, n *note) *answer {
	key := l.keys.of(c)
	a := &answer{set: l.marks, mark: marks.Mark{Key: key, Hash: hash(key), Limit: int64(l.limit), Cost: 1}}
	m := &a.mark
	if l.cost != nil {
		m.Cost = min(int64(l.cost(c)), marks.MostLimit)
	}
	if l.limitFunc != nil {
		m.Limit = min(int64(l.limitFunc(c)), marks.MostLimit)
	}
	switch {
	case m.Limit < 1 || m.Cost > m.Limit:
		a.verdict = marks.Verdict{Answer: marks.Refused, Source: marks.Memory, Wait: l.interval}
		a.settled = true
	case m.Cost < 1:
		a.verdict = marks.Verdict{Answer: marks.Granted, Source: marks.Memory, Remaining: m.Limit}
		a.settled = true
	}
	m.Token = n.tokenOr(marks.NewToken)
	m.Asked = clock.Now()
	a.began = m.Asked
	return a
}

// take asks for the mark.
func (l *Limiter) take(c *gin.Context, n *note, a *answer) *note {
	terms := l.terms(n.waited())
	terms.Mine = n.has(a)
	a.verdict = l.marks.Take(c.Request.Context(), &a.mark, terms)
	l.warn(a.verdict)
	return n.wait(c, a)
}

// terms are what is left of this request's wait, and what holds where Redis can't answer.
func (l *Limiter) terms(waited time.Duration) marks.Terms {
	return marks.Terms{
		Local: l.failure == FailLocal, Open: l.failure == FailOpen,
		Wait: l.timeout - waited, Whole: waited <= l.timeout/10,
	}
}

// tell is for those who watch: observers and headers.
func (l *Limiter) tell(c *gin.Context, d Decision) {
	for _, observe := range l.observers {
		observe(c, d)
	}
	if l.headers && !d.DryRun {
		writeRateLimit(c, d)
	}
}

// deny sets the status and aborts before the denied function runs, so that it can neither forget nor run the handlers.
func (l *Limiter) deny(c *gin.Context, d Decision) {
	status := http.StatusTooManyRequests
	if d.Outcome == Unavailable {
		status = http.StatusServiceUnavailable
	}
	l.delays.writeRetryAfter(c, d.RetryAfter)
	if l.denied == nil {
		c.AbortWithStatus(status)
		return
	}
	c.Status(status)
	c.Abort()
	l.denied(c, d)
}

// offerRefund runs the handlers and asks for a refund. A panic in them passes by here, and a client that has hung up is
// not asked for: the mark stays, or repeating a heavy call would be free for whoever disconnects.
func (l *Limiter) offerRefund(c *gin.Context, n *note, a *answer) {
	ctx := c.Request.Context()
	c.Next()
	if errors.Is(ctx.Err(), context.Canceled) || !l.refund(c) {
		return
	}
	began := clock.Now()
	err := l.marks.Undo(ctx, &a.mark, l.terms(n.refunding))
	n.refunding += time.Duration(clock.Now() - began)
	l.warn(marks.Verdict{Err: err}) // the response stays as the handlers made it
}
