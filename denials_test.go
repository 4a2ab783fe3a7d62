package ginlimit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeRedis answers as Redis would, from a model, and can be slow and away.
type fakeRedis struct {
	mu    sync.Mutex
	marks *memory
	takes int
	delay time.Duration
	err   error
}

func newFakeRedis(opts ...Option) *fakeRedis { return &fakeRedis{marks: memoryOf(opts...)} }

func (f *fakeRedis) take(ctx context.Context, m mark) verdict {
	f.mu.Lock()
	f.takes++
	delay, err := f.delay, f.err
	f.mu.Unlock()
	time.Sleep(delay)
	if err != nil {
		return verdict{err: err}
	}
	v := f.marks.take(ctx, m)
	v.source = Redis
	return v
}

func (f *fakeRedis) undo(ctx context.Context, m mark) error {
	if f.err != nil {
		return f.err
	}
	return f.marks.undo(ctx, m)
}

func (f *fakeRedis) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.takes
}

func (f *fakeRedis) forget() { f.marks.clear() }

func denialsOf(next store, opts ...Option) *denials { return newDenials(newConfig(opts), next) }

func TestADenialIsRememberedAndAskedForOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		interval := WithInterval(time.Minute)
		redis := newFakeRedis(interval)
		store := denialsOf(redis, interval)
		require.True(t, store.take(t.Context(), newMark("key")).held)
		for i := range 500 { // ten seconds of a client that hammers
			v := store.take(t.Context(), newMark("key"))
			require.Equal(t, Denied, v.outcome)
			require.Equal(t, time.Minute-time.Duration(i)*20*time.Millisecond, v.wait)
			time.Sleep(20 * time.Millisecond)
		}
		assert.InDelta(t, 10, redis.asked(), 1)
	})
}

func TestADeletedMarkFreesItsClientWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redis := newFakeRedis()
		store := denialsOf(redis)
		store.take(t.Context(), newMark("key"))
		redis.forget()
		assert.Equal(t, Cache, store.take(t.Context(), newMark("key")).source)
		time.Sleep(time.Second)
		assert.True(t, store.take(t.Context(), newMark("key")).held)
	})
}

func TestARememberedDenialEndsWithTheMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, interval := range []time.Duration{50 * time.Millisecond, 10 * time.Second} {
			redis := newFakeRedis(WithInterval(interval))
			store := denialsOf(redis, WithInterval(interval))
			for range 5 {
				require.True(t, store.take(t.Context(), newMark("key")).held)
				time.Sleep(interval - 1)
				require.False(t, store.take(t.Context(), newMark("key")).held)
				time.Sleep(1)
			}
		}
	})
}

func TestOneRequestAsksWhileOthersAreDeniedOrWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		interval := WithInterval(3 * time.Second)
		redis := newFakeRedis(interval)
		redis.delay = 50 * time.Millisecond
		store := denialsOf(redis, interval)
		burst := func() (held int) {
			var mu sync.Mutex
			var requests sync.WaitGroup
			for range 100 {
				requests.Go(func() {
					v := store.take(context.Background(), newMark("key"))
					mu.Lock()
					defer mu.Unlock()
					if v.held {
						held++
					}
				})
			}
			requests.Wait()
			return held
		}
		assert.Equal(t, 1, burst(), "a new key: the others wait for the first's answer")
		assert.Equal(t, 1, redis.asked())
		time.Sleep(time.Second)
		assert.Zero(t, burst(), "a refresh: the others are denied")
		assert.Equal(t, 2, redis.asked())
		time.Sleep(3 * time.Second)
		assert.Equal(t, 1, burst(), "after the end: the others wait")
		assert.Equal(t, 3, redis.asked())
	})
}

func TestRequestsWithFreeMarksAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := WithLimit(50)
		redis := newFakeRedis(limit)
		redis.delay = 100 * time.Millisecond
		store := denialsOf(redis, limit)
		start := time.Now()
		var requests sync.WaitGroup
		for range 50 {
			requests.Go(func() { assert.True(t, store.take(context.Background(), newMark("key")).held) })
		}
		requests.Wait()
		assert.Equal(t, redis.delay, time.Since(start))
		assert.Equal(t, Cache, store.take(t.Context(), newMark("key")).source, "the last free mark was granted")
	})
}

func TestUndoForgetsTheDenial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := denialsOf(newFakeRedis())
		m := newMark("key")
		require.True(t, store.take(t.Context(), m).held)
		require.NoError(t, store.undo(t.Context(), m))
		assert.True(t, store.take(t.Context(), newMark("key")).held)
	})
}

func TestOnlyRedissOwnAnswersAreRemembered(t *testing.T) {
	for _, v := range []verdict{refused(time.Hour, Memory), granted(0, time.Hour, Memory), {err: errors.New("away")}} {
		store := denialsOf(always{v})
		store.take(t.Context(), newMark("key"))
		assert.Zero(t, store.ring.found)
	}
}

func TestTheDenialsTravelWithTheMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redis := newFakeRedis()
		store := denialsOf(redis)
		store.take(t.Context(), newMark("key"))
		redis.err = errors.New("away")
		seen := &spy{next: redis}
		store.next = seen
		time.Sleep(time.Second)
		store.take(t.Context(), newMark("key"))
		assert.Equal(t, 2*time.Second, time.Duration(seen.last.full-now()), "the key is known to be full for the rest of 3s")
	})
}

type spy struct {
	next store
	last mark
}

func (s *spy) take(ctx context.Context, m mark) verdict { s.last = m; return s.next.take(ctx, m) }
func (s *spy) undo(ctx context.Context, m mark) error   { return s.next.undo(ctx, m) }

func TestDenialsAreBoundedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		capacity := WithCapacity(1000)
		store := denialsOf(always{refused(3*time.Second, Redis)}, capacity)
		for i := range 10_000 {
			store.take(t.Context(), newMark(fmt.Sprint(i)))
			require.LessOrEqual(t, store.ring.length(), uint32(1000))
		}
		time.Sleep(10 * time.Minute)
		store.take(t.Context(), newMark("last"))
		assert.Equal(t, 1, store.ring.found)
		assert.EqualValues(t, 1, store.ring.length())
		assert.Empty(t, store.waiting)
	})
}

func TestALookAtAFullTableForgetsNothing(t *testing.T) {
	redis := newFakeRedis()
	store := denialsOf(redis, WithCapacity(1))
	for range 10 {
		store.take(t.Context(), newMark("key"))
	}
	assert.Equal(t, 1, redis.asked())
}

func TestADenialThatHasEndedStillLetsOneAskAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := WithLimit(2)
		redis := newFakeRedis(limit)
		store := denialsOf(redis, limit)
		store.take(t.Context(), newMark("key"))
		store.take(t.Context(), newMark("key")) // the key is full from here
		time.Sleep(3 * time.Second)
		redis.marks.take(t.Context(), newMark("key")) // other processes' marks
		redis.marks.take(t.Context(), newMark("key"))
		redis.delay = 50 * time.Millisecond
		var requests sync.WaitGroup
		for range 100 {
			requests.Go(func() { store.take(context.Background(), newMark("key")) })
		}
		requests.Wait()
		assert.Equal(t, 3, redis.asked())
	})
}

func TestAPanicInTheClientBlocksNobody(t *testing.T) {
	store := denialsOf(panics{})
	for range 3 {
		assert.Panics(t, func() { store.take(t.Context(), newMark("key")) })
	}
	assert.Empty(t, store.waiting)
}

type panics struct{ store }

func (panics) take(context.Context, mark) verdict { panic("hook") }
