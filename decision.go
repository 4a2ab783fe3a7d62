package ginlimit

import (
	"strconv"
	"time"

	"github.com/ginlimit/ginlimit/internal/marks"
)

// Outcome is what a limiter decided.
type Outcome int

const (
	Allowed     Outcome = iota // the request goes on
	Denied                     // 429: it would leave more marks alive than the limit
	Unavailable                // 503: Redis could not answer and the failure mode is FailClosed
)

// String returns "allowed", "denied" or "unavailable".
func (o Outcome) String() string {
	return name(int(o), "allowed", "denied", "unavailable")
}

// Source is where a decision comes from.
type Source int

const (
	FromRedis  = Source(marks.Redis)  // Redis answered
	FromMemory = Source(marks.Memory) // this process's own marks, or the limiter without asking anybody
	FromCache  = Source(marks.Cache)  // a denial by Redis that this process remembered
)

// String returns "redis", "memory" or "cache".
func (s Source) String() string {
	return name(int(s), "redis", "memory", "cache")
}

// Decision is what a limiter decided about one request, for WithDenied, WithObserver and Peek.
type Decision struct {
	Outcome    Outcome
	Policy     string        // the prefix: which limiter this was
	Key        string        // the marks' key, as in Redis and for Forget
	Limit      int           // marks that may be alive at once
	Interval   time.Duration // how long a mark lives
	Cost       int           // marks that this request leaves, or would
	Remaining  int           // marks that this client may still leave now
	RetryAfter time.Duration // until this cost could pass, where it was denied or nothing remains, else 0; the interval where it never can
	Source     Source
	DryRun     bool  // Outcome is what would have happened
	Err        error // why Redis could not answer, where it could not
}

// decide is what an answer of the marks means for the request.
func (l *Limiter) decide(a *answer) Decision {
	m, v := &a.mark, &a.verdict
	d := Decision{
		Outcome: l.outcome(v), Policy: l.prefix, Key: m.Key, Limit: int(max(m.Limit, 0)), Interval: l.interval,
		Cost: int(max(m.Cost, 0)), Remaining: int(v.Remaining), Source: Source(v.Source), DryRun: l.dryRun, Err: v.Err,
	}
	switch {
	case d.Outcome == Unavailable:
		d.RetryAfter = time.Second
	case d.Outcome == Allowed && v.Answer != marks.Granted:
		d.Remaining = d.Limit // nobody counts
	case d.Outcome == Denied || d.Remaining == 0:
		d.RetryAfter = v.Wait
	}
	return d
}

// outcome applies the failure mode.
func (l *Limiter) outcome(v *marks.Verdict) Outcome {
	switch isLocal := v.Err != nil && v.Source == marks.Memory; {
	case isLocal && l.failure == FailClosed:
		return Unavailable
	case isLocal && l.failure == FailOpen, v.Answer == marks.Granted:
		return Allowed
	}
	return Denied
}

// name returns the name of a constant, or its number where it has none.
func name(i int, names ...string) string {
	if i < 0 || i >= len(names) {
		return strconv.Itoa(i)
	}
	return names[i]
}
