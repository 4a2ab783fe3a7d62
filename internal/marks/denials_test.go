package marks

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/clock"
)

var (
	errAway = errors.New("away")
	whole   = Terms{Wait: 10 * time.Second, Whole: true}
)

// asks is a mark that asks now.
func asks(key int, limit, cost int64) *Mark {
	m := newMark(key, limit, cost)
	m.Asked = clock.Now()
	return m
}

func (d *denials) request(limit, cost int64) Verdict {
	return d.take(context.Background(), asks(1, limit, cost), whole)
}

func denialsInTime(t *testing.T, test func(t *testing.T, d *denials, redis *fakeRedis)) {
	synctest.Test(t, func(t *testing.T) {
		redis := &fakeRedis{}
		d := newDenials(redis, 1000)
		test(t, d, redis)
		synctest.Wait()
		assert.Empty(t, d.turns, "nobody waits at the end")
	})
}

func TestADenialIsRememberedAndAskedForOnceASecond(t *testing.T) {
	for _, limit := range []int64{1, 3} {
		denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
			require.True(t, d.request(limit, limit).Held)
			for i := range 600 { // a client that hammers for an interval
				v := d.request(limit, limit)
				require.Equal(t, Refused, v.Answer)
				require.Equal(t, interval-time.Duration(i)*100*time.Millisecond, v.Wait)
				time.Sleep(100 * time.Millisecond)
			}
			assert.Len(t, redis.asked, 60)
			for i, asking := range redis.asked {
				assert.EqualValues(t, i, time.Duration(asking.mark.Asked-redis.asked[0].mark.Asked)/time.Second)
			}
			assert.True(t, d.request(limit, limit).Held, "after the interval")
		})
	}
}

func TestADenialCountsFromBeforeItWasAskedFor(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		start := clock.Now()
		redis.to, redis.back = 100*time.Millisecond, 200*time.Millisecond
		d.request(1, 1)
		v := d.request(1, 1)
		assert.Equal(t, Cache, v.Source)
		assert.Equal(t, interval-300*time.Millisecond, v.Wait)
		time.Sleep(700*time.Millisecond - 1)
		assert.Equal(t, Cache, d.request(1, 1).Source)
		time.Sleep(1)
		assert.Equal(t, Redis, d.request(1, 1).Source, "a second after it was asked for")
		redis.err = errAway // what is known is good until its end, to the nanosecond
		time.Sleep(time.Duration(start) + interval - time.Duration(clock.Now()) - 1)
		d.request(1, 1)
		time.Sleep(1)
		assert.Positive(t, redis.asked[len(redis.asked)-1].terms.Full)
	})
}

func TestADenialDeniesWhomItHoldsFor(t *testing.T) {
	for _, test := range []struct {
		limit, cost, alive int64 // of the request that Redis denies, or lets through as the last
		fits               bool
		denies, asks       [][2]int64
	}{
		{limit: 1, cost: 1, alive: 1, denies: [][2]int64{{1, 1}, {2, 2}}, asks: [][2]int64{{2, 1}}},
		{limit: 10, cost: 5, alive: 7, denies: [][2]int64{{10, 5}, {10, 6}, {10, 10}, {5, 1}, {6, 1}}, asks: [][2]int64{{10, 4}, {10, 1}, {7, 1}}},
		{limit: 10, cost: 1, alive: 10, denies: [][2]int64{{10, 1}, {10, 2}, {3, 1}, {3, 3}}, asks: [][2]int64{{11, 1}}},
		{limit: 10, cost: 1, alive: 9, fits: true, denies: [][2]int64{{10, 1}, {10, 10}, {1, 1}}, asks: [][2]int64{{11, 1}, {20, 10}}},
		{limit: 10, cost: 3, alive: 7, fits: true, denies: [][2]int64{{10, 3}, {10, 4}}, asks: [][2]int64{{10, 2}, {10, 1}}},
		{limit: 1 << 53, cost: 1, alive: 0, fits: true, asks: [][2]int64{{1 << 53, 1}}},
	} {
		for _, other := range append(test.denies, test.asks...) {
			denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
				if test.alive > 0 {
					redis.run(newMark(1, test.alive, test.alive), true)
				}
				require.Equal(t, test.fits, d.request(test.limit, test.cost).Held)
				d.request(other[0], other[1])
				denied := redis.count() == 1
				assert.Equal(t, slices.Contains(test.denies, other), denied, "%+v %v", test, other)
			})
		}
	}
}

func TestADeletedMarkFreesItsClientWithinASecond(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		d.request(1, 1)
		redis.free(newMark(1, 1, 1).Hash)
		time.Sleep(time.Second - 1)
		assert.Equal(t, Cache, d.request(1, 1).Source)
		time.Sleep(1)
		assert.True(t, d.request(1, 1).Held)
	})
}

func TestWhatIsTakenAwayFreesItsClientAtOnce(t *testing.T) {
	for _, test := range []struct {
		name string
		free func(*denials, context.Context, *Mark, Terms) error
		err  error
	}{
		{"undo", (*denials).undo, nil},
		{"undo that fails", (*denials).undo, errAway},
		{"forget", (*denials).forget, nil},
		{"forget that fails", (*denials).forget, errAway},
	} {
		t.Run(test.name, func(t *testing.T) {
			denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
				d.request(2, 2)
				redis.err, redis.back = test.err, time.Millisecond
				before, during, m := asks(1, 2, 2), asks(1, 2, 2), newMark(1, 2, 2)
				during.Asked++
				assert.Equal(t, test.err, test.free(d, t.Context(), m, whole))
				redis.err = nil
				for _, m := range []*Mark{before, during} {
					d.learn(m, Verdict{Answer: Refused, Lasts: interval}) // was under way
				}
				assert.True(t, d.request(2, 2).Held)
				assert.Equal(t, Cache, d.request(2, 2).Source, "what was asked after it counts")
			})
		})
	}
}

func TestWhatIsTakenAwayUnheardOfCountsToo(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		before := asks(1, 1, 1)
		time.Sleep(1)
		require.NoError(t, d.forget(t.Context(), newMark(1, 1, 1), whole))
		d.learn(before, Verdict{Answer: Refused, Lasts: interval})
		assert.True(t, d.request(1, 1).Held)
	})
}

func TestTheNewestAnswerIsRemembered(t *testing.T) {
	const known, other, none = 30 * time.Second, 10 * time.Second, 0
	full := Verdict{Answer: Refused, Lasts: other}
	last := Verdict{Answer: Granted, Lasts: other}
	free := Verdict{Answer: Granted, Remaining: 1}
	for _, test := range []struct {
		name  string
		v     Verdict
		limit int64         // of the request that is answered; the denial known has room for 4
		asked time.Duration // after what is known
		want  time.Duration // is remembered after what is known
	}{
		{"refused before", full, 5, -1, known},
		{"refused at once", full, 5, 0, other},
		{"refused after", full, 5, 1, other + 1},
		{"the last before", last, 5, -1, known},
		{"the last after", last, 5, 1, other + 1},
		{"free before", free, 5, -1, known},
		{"free at once", free, 5, 0, none},
		{"free after", free, 5, 1, none},
		{"free to one whom it doesn't deny", free, 6, 1, known},
		{"refused to one whom it doesn't deny", full, 6, 1, other + 1},
		{"refused for a time that isn't known", Verdict{Answer: Refused, Wait: other}, 5, 1, known},
		{"no answer", Verdict{Err: errAway}, 5, 1, known},
		{"refused by own marks", Verdict{Answer: Refused, Source: Memory, Lasts: other}, 5, 1, known},
		{"granted by own marks", Verdict{Answer: Granted, Source: Memory, Remaining: 1}, 5, 1, known},
		{"refused by what was remembered", Verdict{Answer: Refused, Source: Cache, Lasts: other}, 5, 1, known},
	} {
		t.Run(test.name, func(t *testing.T) {
			denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
				m := asks(1, 5, 1)
				d.learn(m, Verdict{Answer: Refused, Lasts: known})
				answered := asks(1, test.limit, 1)
				answered.Asked += int64(test.asked)
				d.learn(answered, test.v)
				time.Sleep(2)
				var rest time.Duration
				if asker := asks(1, 5, 1); d.find(m.Hash).denies(asker) {
					rest = time.Duration(d.find(m.Hash).until - m.Asked)
				}
				assert.Equal(t, test.want, rest)
				assert.Equal(t, test.want > 0, d.find(m.Hash).denies(asks(1, 1, 1)), "nor one with less room")
			})
		})
	}
}

func TestWhatIsTakenAwayIsRememberedForASecond(t *testing.T) {
	for name, free := range map[string]func(*denials, *Mark){
		"grant":  func(d *denials, m *Mark) { d.learn(m, Verdict{Answer: Granted, Remaining: 1}) },
		"forget": func(d *denials, m *Mark) { _ = d.forget(context.Background(), m, whole) },
	} {
		t.Run(name, func(t *testing.T) {
			denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
				before := asks(1, 5, 1)
				d.learn(before, Verdict{Answer: Refused, Lasts: interval})
				time.Sleep(1)
				free(d, asks(1, 5, 1))
				time.Sleep(time.Second - 10)
				for key := range 10 { // others', for which what has ended makes room
					d.learn(asks(2+key, 1, 1), Verdict{Answer: Refused, Lasts: interval})
				}
				d.learn(before, Verdict{Answer: Refused, Lasts: interval})
				assert.Equal(t, Redis, d.request(5, 1).Source)
			})
		})
	}
}

func TestAnAnswerOfNoUseIsNotRemembered(t *testing.T) {
	for _, v := range []Verdict{
		{Answer: Granted, Remaining: 1, Lasts: time.Hour},
		{Answer: Refused, Wait: time.Hour},
		{Answer: Granted, Source: Memory, Lasts: time.Hour},
		{Answer: Refused, Source: Memory, Lasts: time.Hour},
		{Err: errAway, Lasts: time.Hour},
	} {
		d := newDenials(&fakeRedis{}, 1000)
		d.learn(asks(1, 2, 1), v)
		assert.Zero(t, d.table.Len())
	}
}

func TestARefreshWithoutAnAnswerLeavesTheDenialForAnotherSecond(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		d.request(1, 1)
		redis.err = errAway
		until := clock.Now() + int64(interval)
		for range interval / time.Second {
			for range 10 {
				time.Sleep(100 * time.Millisecond)
				d.request(1, 1)
			}
		}
		require.Len(t, redis.asked, 61)
		for _, asking := range redis.asked[1:60] {
			assert.Equal(t, until, asking.terms.Full, "known to be denied until its end")
		}
		assert.Zero(t, redis.asked[60].terms.Full, "not after it")
		assert.Equal(t, whole.Wait, redis.asked[60].terms.Wait)
	})
}

func TestWhoIsNotDeniedIsNotKnownToBe(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		redis.run(newMark(1, 2, 2), true)
		d.request(2, 1)
		d.request(3, 1)
		require.Len(t, redis.asked, 2)
		assert.Zero(t, redis.asked[1].terms.Full)
	})
}

func TestPeekUsesADenialAndNeverStandsInTheWay(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		peek := func(limit, cost int64) Verdict { return d.peek(t.Context(), asks(1, limit, cost), whole) }
		assert.Equal(t, Granted, peek(1, 1).Answer)
		assert.Equal(t, Granted, peek(1, 1).Answer, "nothing was left, nothing is remembered")
		assert.Len(t, redis.peeked, 2)
		d.next = always{Verdict{Answer: Granted, Lasts: interval}}
		peek(1, 1)
		d.next = redis
		assert.Equal(t, Granted, peek(1, 1).Answer, "also where nothing would remain")
		redis.peeked = redis.peeked[:2]

		redis.run(newMark(1, 1, 1), true)
		assert.Equal(t, Redis, peek(1, 1).Source)
		assert.Equal(t, Verdict{Answer: Refused, Source: Cache, Wait: interval}, peek(1, 1), "a peek's denial is remembered")
		assert.Equal(t, Cache, d.request(1, 1).Source)
		assert.Equal(t, Granted, peek(2, 1).Answer)
		assert.Zero(t, redis.peeked[3].terms.Full)

		time.Sleep(time.Second)
		redis.to = 100 * time.Millisecond
		var requests sync.WaitGroup
		requests.Go(func() { peek(1, 1) })
		synctest.Wait()
		assert.Len(t, redis.peeked, 5, "it is due: a peek asks")
		assert.Equal(t, int64(interval-time.Second), redis.peeked[4].terms.Full-clock.Now())
		requests.Go(func() { assert.Equal(t, Redis, d.request(1, 1).Source) })
		synctest.Wait()
		assert.Len(t, redis.asked, 1, "and so does a request")
		assert.Equal(t, Cache, peek(1, 1).Source, "while that asks, a peek uses what is known")
		requests.Wait()
	})
}
