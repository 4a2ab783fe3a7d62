package line

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// deadline is an instant that many wait for.
type deadline struct {
	instant int64
	at      time.Time
	passed  chan struct{} // closed then
}

// deadlines gives those whose waits end within the same tenth of a wait one deadline, because a timer for each takes a tenth
// of a busy machine.
type deadlines struct {
	latest [8]atomic.Pointer[deadline]
	next   atomic.Uint32
}

// in returns a deadline for a wait that begins now: after it at the latest, and after nine tenths of it at the soonest.
func (d *deadlines) in(wait time.Duration) *deadline {
	now := clock.Now()
	end := clock.After(now, wait)
	soonest := end - int64(wait/10)
	for i := range d.latest {
		if known := d.latest[i].Load(); known != nil && soonest <= known.instant && known.instant <= end {
			return known
		}
	}
	made := &deadline{end, time.Now().Add(wait), make(chan struct{})}
	time.AfterFunc(wait, func() { close(made.passed) })
	d.latest[d.next.Add(1)%uint32(len(d.latest))].Store(made)
	return made
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
