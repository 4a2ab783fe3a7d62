package line

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// deadline is an instant that many wait for.
type deadline struct {
	at     time.Time
	passed chan struct{} // closed then
	stale  int64         // from this instant on, a later one is needed
}

func newDeadline(d time.Duration, now int64) *deadline {
	made := &deadline{time.Now().Add(d), make(chan struct{}), clock.After(now, d/10)}
	time.AfterFunc(d, func() { close(made.passed) })
	return made
}

// deadlines gives requests that start to wait within the same tenth of their timeout one deadline, because a timer for each
// takes a tenth of a busy machine.
type deadlines struct {
	latest sync.Map // of durations to *atomic.Pointer[deadline]
	kinds  atomic.Int32
}

// mostKinds bounds the timeouts that are remembered. A process has few; what is left of one may be anything.
const mostKinds = 64

func (d *deadlines) in(wait time.Duration, isTimeout bool) *deadline {
	now := clock.Now()
	if !isTimeout {
		return newDeadline(wait, now)
	}
	place, found := d.latest.Load(wait)
	if !found {
		if d.kinds.Load() >= mostKinds {
			return newDeadline(wait, now)
		}
		d.kinds.Add(1)
		place, _ = d.latest.LoadOrStore(wait, new(atomic.Pointer[deadline]))
	}
	latest := place.(*atomic.Pointer[deadline])
	current := latest.Load()
	if current == nil || now >= current.stale {
		current = newDeadline(wait, now)
		latest.Store(current)
	}
	return current
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
