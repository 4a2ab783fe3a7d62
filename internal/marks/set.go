package marks

import (
	"context"
	"runtime"
	"sync"
	"weak"

	"github.com/redis/go-redis/v9"

	"github.com/ginlimit/ginlimit/internal/line"
)

// A Set is the marks of all equal limiters: those with one client, prefix, policy and scope, which share them in Redis and so
// in this process too.
type Set struct {
	*shared
	use *use // while somebody holds it, the line holds what is shared
}

type use struct{ _ byte }

// shared is what outlives the last limiter until its last mark and denial have ended, so that a limiter which is made anew
// goes on where the last one was.
type shared struct {
	line    *line.Line // nil: all marks are in this process
	own     *memory
	denials *denials
}

// InMemory returns a set whose marks are all in this process.
func InMemory(p Policy, capacity int) *Set {
	return &Set{shared: &shared{own: newMemory(p, capacity)}}
}

// In returns the set of this name in the Redis of a client.
func In(client redis.Cmdable, name string, p Policy, capacity int) *Set {
	l := line.Of(client)
	all := l.Attach(func() any { return &registry{sets: map[string]registered{}} }).(*registry)
	return all.set(name, func() *shared { return newShared(l, p, capacity) }, capacity)
}

func newShared(l *line.Line, p Policy, capacity int) *shared {
	s := &shared{line: l, own: newMemory(p, capacity)}
	o := &outage{line: l, redis: newRedisMarks(p), own: s.own}
	s.denials = newDenials(o, capacity)
	o.learn = func(m *Mark, v Verdict) { s.denials.learn(m, v) }
	return s
}

// registry are the sets of one client.
type registry struct {
	mu   sync.Mutex
	sets map[string]registered
}

type registered struct {
	shared *shared
	use    weak.Pointer[use]
}

func (r *registry) set(name string, create func() *shared, capacity int) *Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep()
	known, found := r.sets[name]
	if !found {
		known.shared = create()
	}
	known.shared.grow(capacity)
	u := known.use.Value()
	if u == nil {
		u = new(use)
		known.use = weak.Make(u)
	}
	r.sets[name] = known
	return &Set{shared: known.shared, use: u}
}

// sweep lets go of what nobody uses and what holds nothing.
func (r *registry) sweep() {
	for name, known := range r.sets {
		if known.use.Value() == nil && known.shared.isEmpty() {
			delete(r.sets, name)
		}
	}
}

func (s *shared) grow(capacity int) {
	s.own.grow(capacity)
	s.denials.grow(capacity)
}

func (s *shared) isEmpty() bool { return s.own.isEmpty() && s.denials.isEmpty() }

// Is says whether two sets are the same marks.
func (s *Set) Is(other *Set) bool { return s.shared == other.shared }

// Take leaves the mark if it leaves no more marks alive than the limit.
func (s *Set) Take(ctx context.Context, m *Mark, t Terms) Verdict {
	if s.line == nil {
		return s.own.take(m)
	}
	v := s.denials.take(ctx, m, t)
	runtime.KeepAlive(s.use)
	return v
}

// TakeLocally leaves the mark in this process, in the place of a Redis that couldn't answer.
func (s *Set) TakeLocally(m *Mark, err error) Verdict {
	v := s.own.takeInPlace(m)
	v.Err = err
	return v
}

// Undo takes a mark back that Take left.
func (s *Set) Undo(ctx context.Context, m *Mark, t Terms) error {
	if s.line == nil {
		s.own.undo(m)
		return nil
	}
	return s.denials.undo(ctx, m, t)
}

// Peek says what Take would.
func (s *Set) Peek(ctx context.Context, m *Mark, t Terms) Verdict {
	if s.line == nil {
		return s.own.peek(m)
	}
	return s.denials.peek(ctx, m, t)
}

// Forget takes all marks under the mark's key away.
func (s *Set) Forget(ctx context.Context, m *Mark, t Terms) error {
	if s.line == nil {
		s.own.forget(m.Hash)
		return nil
	}
	return s.denials.forget(ctx, m, t)
}

// News returns what nobody has been told yet of the set's Redis.
func (s *Set) News() []line.News {
	if s.line == nil {
		return nil
	}
	return s.line.News()
}

// AreScriptsRefused says that Redis won't run the scripts that refunds and limits above 1 need.
func AreScriptsRefused(err error) bool { return err != nil && scriptsRefused(err) }
