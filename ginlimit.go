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
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// New returns a middleware for a route or a group of routes. Without options it lets each client through each route
// once per 3 seconds and keeps its marks in this process's memory.
//
// A wrong option panics here, never later, with one sentence that begins with "ginlimit: " and names the option and its
// value. New starts no goroutine and needs no Close. Limiters share marks where their prefix, policy (limit and
// interval), scope and Redis client are the same.
func New(opts ...Option) gin.HandlerFunc {
	return newLimiter(newConfig(opts)).handle
}

// Outcome is what a limiter decided.
type Outcome int

const (
	Allowed     Outcome = iota // the request goes on
	Denied                     // 429: the limit's worth of marks is alive
	Unavailable                // 503: Redis could not answer and the failure mode is FailClosed
)

// String returns "allowed", "denied" or "unavailable".
func (o Outcome) String() string {
	return name(int(o), "allowed", "denied", "unavailable")
}

// Source is where a decision comes from.
type Source int

const (
	Redis  Source = iota // Redis answered
	Memory               // this process's own marks, or the failure mode
	Cache                // a denial by Redis that this process remembered
)

// String returns "redis", "memory" or "cache".
func (s Source) String() string {
	return name(int(s), "redis", "memory", "cache")
}

// Decision is what a limiter decided about one request, for WithDenied and WithObserver.
type Decision struct {
	Outcome    Outcome
	Policy     string        // the prefix: which limiter this was
	Key        string        // the marks' key, as in Redis
	Limit      int           // marks that may be alive at once
	Interval   time.Duration // how long a mark lives
	Remaining  int           // requests that this client may still make now
	RetryAfter time.Duration // until a request could pass again where Remaining is 0, else 0
	Source     Source
	DryRun     bool  // Outcome is what would have happened
	Err        error // why Redis could not answer, where it could not
}

type limiter struct {
	config
	keys     *keys
	store    store
	delays   delays
	warnings *warnings
}

// newLimiter composes the stores: remembered denials, in front of the failure mode, around Redis within its deadline;
// or this process's marks alone.
func newLimiter(cfg config) *limiter {
	w := &warnings{logger: cfg.logger, policy: cfg.prefix}
	l := &limiter{config: cfg, keys: newKeys(cfg, w), warnings: w}
	if cfg.client == nil {
		l.store = newMemory(cfg, w)
		return l
	}
	l.store = newDenials(cfg, newOutage(cfg, w, withinDeadline(cfg, w, newRedisMarks(cfg))))
	return l
}

func (l *limiter) handle(c *gin.Context) {
	m := newMark(l.keys.of(c))
	if isDecided(c, m) {
		l.warnings.mountedTwice(m.key)
		return
	}
	ctx := c.Request.Context()
	v := l.store.take(ctx, m)
	d := l.decision(m, v)
	if l.observe != nil {
		l.observe(c, d)
	}
	if l.headers && !d.DryRun {
		writeRateLimit(c, d)
	}
	if d.Outcome != Allowed && !d.DryRun {
		l.deny(c, d)
		return
	}
	setDecided(c, m)
	if l.refund != nil && v.held {
		l.offerRefund(c, ctx, m)
	}
}

func (l *limiter) decision(m mark, v verdict) Decision {
	d := Decision{
		Outcome: v.outcome, Policy: l.prefix, Key: m.key, Limit: l.limit, Interval: l.interval,
		Remaining: v.remaining, Source: v.source, DryRun: l.dryRun, Err: v.err,
	}
	if d.Remaining == 0 {
		d.RetryAfter = v.wait
	}
	return d
}

// deny sets the status and aborts before the denied function runs, so that it can neither forget nor run the handlers.
func (l *limiter) deny(c *gin.Context, d Decision) {
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

// offerRefund runs the handlers and asks for a refund. A panic in them passes by here, and a client that has hung up
// (context.Canceled, not a deadline of the server's own) is not asked for: the mark stays, or repeating a heavy call would be free for whoever disconnects.
func (l *limiter) offerRefund(c *gin.Context, ctx context.Context, m mark) {
	c.Next()
	if !errors.Is(ctx.Err(), context.Canceled) && l.refund(c) {
		// A failure is the store's to count and to report; the response stays as the handlers made it.
		_ = l.store.undo(ctx, m)
	}
}

// decided is the key in Gin's context under which a request carries that a limiter has decided these marks. Gin forgets
// it in Engine.HandleContext, which starts a new request.
type decided uint64

func isDecided(c *gin.Context, m mark) bool {
	_, found := c.Get(decided(m.hash))
	return found
}

func setDecided(c *gin.Context, m mark) {
	c.Set(decided(m.hash), struct{}{})
}
