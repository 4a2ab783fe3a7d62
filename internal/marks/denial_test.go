package marks

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func refusedFor(d time.Duration) Verdict { return Verdict{Answer: Refused, Lasts: d} }

func (d *denials) learnFor(key int, lasts time.Duration) { d.learn(asks(key, 1, 1), refusedFor(lasts)) }

func (d *denials) knows(key int) bool { return d.find(newMark(key, 1, 1).Hash).denies(asks(key, 1, 1)) }

func TestAtTheCapacityTheOldestDenialGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDenials(&fakeRedis{}, 3)
		for key := range 3 {
			d.learnFor(key, interval)
		}
		d.learnFor(0, interval) // learnt anew
		d.learnFor(3, interval)
		assert.Equal(t, []bool{true, false, true, true}, []bool{d.knows(0), d.knows(1), d.knows(2), d.knows(3)})
		d.grow(4)
		d.grow(2)
		d.learnFor(4, interval)
		assert.Equal(t, []bool{true, true, true, true}, []bool{d.knows(0), d.knows(2), d.knows(3), d.knows(4)})
		d.learnFor(5, interval)
		assert.Equal(t, 4, d.table.Len())
	})
}

func TestWhatHasEndedLeavesALittleAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDenials(&fakeRedis{}, 100_000)
		for key := range 10_000 {
			d.learnFor(key, time.Second)
		}
		time.Sleep(time.Second)
		for key := range 5000 {
			before := d.table.Len()
			d.learnFor(20_000+key, time.Hour)
			assert.LessOrEqual(t, before-d.table.Len(), mostSwept-1)
		}
		assert.Equal(t, 5000, d.table.Len(), "only what is alive")
	})
}

func TestWhoKeepsBeingDeniedKeepsNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDenials(&fakeRedis{}, 100_000)
		d.learnFor(0, time.Hour) // once, for long
		for key := range 20_000 {
			if key%30 == 0 {
				d.learnFor(1, 3*time.Second) // again and again
			}
			d.learnFor(2+key, 3*time.Second)
			time.Sleep(time.Second / 30)
			require.LessOrEqual(t, d.table.Len(), 2*92)
		}
	})
}

func TestThrowingADenialAwayWhileOneAsksLosesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redis := &fakeRedis{}
		d := newDenials(redis, 1)
		d.request(1, 1)
		time.Sleep(time.Second)
		redis.to = 100 * time.Millisecond
		var requests sync.WaitGroup
		requests.Go(func() { assert.Equal(t, Redis, d.request(1, 1).Source) })
		synctest.Wait()
		d.learnFor(7, interval)
		requests.Go(func() { assert.Equal(t, Cache, d.request(1, 1).Source) })
		requests.Wait()
		assert.Len(t, redis.asked, 2)
	})
}

func TestDenialsAreEmptyOnceAllHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redis := &fakeRedis{}
		d := newDenials(redis, 10)
		assert.True(t, d.isEmpty())
		d.learnFor(1, 2*time.Second)
		d.learnFor(2, time.Second)
		time.Sleep(2*time.Second - 1)
		assert.False(t, d.isEmpty())
		time.Sleep(1)
		assert.True(t, d.isEmpty())
		redis.to, redis.err = time.Minute, errAway
		var requests sync.WaitGroup
		requests.Go(func() { d.request(1, 1) })
		synctest.Wait()
		assert.False(t, d.isEmpty(), "others may wait for its answer")
		requests.Wait()
		assert.True(t, d.isEmpty())
	})
}

func TestADeniedRequestTakesNoMemory(t *testing.T) {
	d := newDenials(&fakeRedis{}, 10)
	m := asks(1, 1, 1)
	d.take(t.Context(), m, whole)
	assert.Zero(t, testing.AllocsPerRun(100, func() { d.take(t.Context(), m, whole) }))
}

func TestWhoHasItsTurnTakesNoMemory(t *testing.T) {
	d := newDenials(always{Verdict{Err: errAway}}, 10)
	m := asks(1, 1, 1)
	assert.Zero(t, testing.AllocsPerRun(100, func() { d.take(t.Context(), m, whole) }))
}

func TestADenialTakesLittleMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d := newDenials(&fakeRedis{}, 65536)
	for key := range 65536 {
		d.learnFor(key, time.Hour)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / 65536
	t.Logf("%.1f bytes", each)
	assert.Less(t, each, 54.0)
	runtime.KeepAlive(d)
}

type always struct{ v Verdict }

func (a always) take(context.Context, *Mark, Terms) Verdict { return a.v }
func (a always) peek(context.Context, *Mark, Terms) Verdict { return a.v }
func (a always) undo(context.Context, *Mark, Terms) error   { return a.v.Err }
func (a always) forget(context.Context, *Mark, Terms) error { return a.v.Err }

// history sends random requests, some of which come while others are under way, and looks at each answer.
type history struct {
	*denials
	redis   *fakeRedis
	random  *rand.Rand
	limits  [2]int64 // the least, the most
	costs   int64    // the most
	frees   int      // percent
	freeing atomic.Int32
}

func (h *history) run(t *testing.T, requests int) {
	var running sync.WaitGroup
	for range requests {
		limit := h.limits[0] + h.random.Int64N(h.limits[1]-h.limits[0]+1)
		m := asks(h.random.IntN(3), limit, 1+h.random.Int64N(min(h.costs, limit)))
		what := h.random.IntN(100)
		running.Go(func() { h.step(t, m, what) })
		time.Sleep(time.Duration(h.random.ExpFloat64() * float64(interval) / 200))
	}
	running.Wait()
}

func (h *history) step(t *testing.T, m *Mark, what int) {
	switch {
	case what < h.frees:
		h.freeing.Add(1)
		if what%2 == 0 {
			_ = h.undo(t.Context(), m, whole)
		} else {
			_ = h.forget(t.Context(), m, whole)
		}
		h.freeing.Add(-1)
		return
	case what > 90:
		if v := h.peek(t.Context(), m, whole); v.Source == Cache {
			h.check(t, m)
		}
		return
	}
	if v := h.take(t.Context(), m, whole); v.Source == Cache {
		h.check(t, m)
	}
}

func (h *history) check(t *testing.T, m *Mark) {
	if h.freeing.Load() == 0 {
		assert.True(t, h.redis.denies(m), "Redis would have let it through")
	}
}

func newHistory(seed uint64) *history {
	random := rand.New(rand.NewPCG(seed, 0))
	h := &history{random: random, limits: [2]int64{1, 1 + random.Int64N(6)}, costs: 1 + random.Int64N(3)}
	pace := time.Duration(random.IntN(3)) * 150 * time.Millisecond
	h.redis = &fakeRedis{to: pace, back: time.Duration(random.IntN(3)) * pace}
	h.denials = newDenials(h.redis, 1000)
	return h
}

func TestARememberedDenialIsWhatRedisWouldSay(t *testing.T) {
	denied := 0
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			h := newHistory(seed)
			h.frees = 5
			h.run(t, 500)
			denied += 500 - len(h.redis.asked)
		})
	}
	assert.Greater(t, denied, 10_000, "most of this test's requests are denied here")
}

func TestWhileADenialLastsRedisIsAskedOnceASecond(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			h := newHistory(seed)
			h.limits[0], h.costs = h.limits[1], 1
			h.run(t, 500)
			for i, asking := range h.redis.asked {
				for _, before := range h.redis.asked[:i] {
					h.compare(t, before, asking)
				}
			}
		})
	}
}

// compare looks for a question whose answer was known.
func (h *history) compare(t *testing.T, before, asking asking) {
	isFull := before.answer.Answer == Refused || before.answer.Remaining == 0
	after := time.Duration(asking.mark.Asked - before.mark.Asked)
	if isFull && before.mark.Hash == asking.mark.Hash && after > h.redis.to+h.redis.back && after < before.answer.Lasts {
		assert.GreaterOrEqual(t, after, time.Second)
	}
}
