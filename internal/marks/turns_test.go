package marks

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// burst sends requests at once and returns their answers, and how long the last one took.
func (d *denials) burst(n int, limit, cost int64, t Terms) (answers []Verdict, took time.Duration) {
	start := time.Now()
	answers = make([]Verdict, n)
	var requests sync.WaitGroup
	for i := range answers {
		requests.Go(func() { answers[i] = d.take(context.Background(), asks(1, limit, cost), t) })
		synctest.Wait() // in this order
	}
	requests.Wait()
	return answers, time.Since(start)
}

func held(answers []Verdict) (n int) {
	for _, v := range answers {
		if v.Held {
			n++
		}
	}
	return n
}

func TestWhereOnlyOneCanPassOneAsksAndTheOthersWait(t *testing.T) {
	for _, limit := range []int64{1, 5} {
		denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
			redis.to, redis.back = 25*time.Millisecond, 25*time.Millisecond
			for range 3 {
				answers, took := d.burst(100, limit, limit, whole)
				assert.Equal(t, 1, held(answers))
				assert.Equal(t, 50*time.Millisecond, took)
				assert.Equal(t, Cache, answers[99].Source)
				assert.Len(t, redis.asked, 1)
				redis.asked = nil
				time.Sleep(interval)
			}
		})
	}
}

func TestWhereMoreCanPassNobodyWaits(t *testing.T) {
	for _, limit := range []int64{2, 5} {
		denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
			redis.to = 60 * time.Millisecond // a second question would be too late for most
			for range 3 {
				answers, took := d.burst(int(limit), limit, 1, whole)
				assert.EqualValues(t, limit, held(answers))
				assert.Equal(t, redis.to, took)
				assert.Equal(t, Cache, d.request(limit, 1).Source, "the last free mark was granted")
				time.Sleep(interval)
			}
		})
	}
}

func TestWhileOneRefreshesTheOthersAreDenied(t *testing.T) {
	for _, limit := range []int64{1, 5} {
		denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
			d.request(limit, limit)
			time.Sleep(time.Second)
			redis.to = 3 * time.Second
			var requests sync.WaitGroup
			requests.Go(func() { d.request(limit, limit) })
			for range 20 {
				synctest.Wait()
				assert.Equal(t, Cache, d.request(limit, limit).Source)
				time.Sleep(100 * time.Millisecond)
			}
			assert.Len(t, redis.asked, 2)
			requests.Wait()
			assert.Equal(t, Redis, d.request(limit, limit).Source, "its answer is older than a second")
		})
	}
}

func TestAfterTheEndOthersWaitForTheRefreshThatIsUnderWay(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		d.request(1, 1)
		time.Sleep(interval - 100*time.Millisecond)
		redis.to = 200 * time.Millisecond
		var requests sync.WaitGroup
		requests.Go(func() { assert.True(t, d.request(1, 1).Held) })
		time.Sleep(150 * time.Millisecond)
		assert.Equal(t, Refused, d.request(1, 1).Answer)
		assert.Len(t, redis.asked, 2)
		requests.Wait()
	})
}

func TestAFailureIsAlsoTheFailureOfWhoWaitedForTheAnswer(t *testing.T) {
	for _, local := range []Answer{Unanswered, Granted, Refused} {
		denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
			redis.to, redis.err, redis.local = 50*time.Millisecond, errAway, local
			answers, took := d.burst(100, 1, 1, whole)
			assert.Len(t, redis.asked, 1)
			assert.Len(t, redis.failed, 99, "each is decided by itself")
			for _, v := range answers {
				assert.Equal(t, errAway, v.Err)
			}
			assert.Equal(t, redis.to, took)
			redis.err = nil
			assert.True(t, d.request(1, 1).Held, "who comes later asks")
		})
	}
}

func TestTheFailureOfWhoHadLittleTimeIsNotTheOthers(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		redis.to, redis.err = 50*time.Millisecond, errAway
		answers, took := d.burst(4, 1, 1, Terms{Wait: 90 * time.Millisecond})
		assert.ElementsMatch(t, []error{errAway, errAway, errWaited, errWaited}, []error{answers[0].Err, answers[1].Err, answers[2].Err, answers[3].Err})
		assert.Len(t, redis.asked, 2, "one at a time")
		assert.Equal(t, 100*time.Millisecond, took)
	})
}

func TestAWaitIsTakenOffARequestsOwn(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		redis.back = 50 * time.Millisecond
		start := clock.Now()
		var requests sync.WaitGroup
		requests.Go(func() { d.request(1, 1) })
		synctest.Wait()
		time.Sleep(10 * time.Millisecond)
		requests.Go(func() { assert.Equal(t, Granted, d.request(1, 1).Answer) })
		time.Sleep(30 * time.Millisecond)
		redis.free(newMark(1, 1, 1).Hash)
		d.clear(newMark(1, 1, 1).Hash) // so that it has to ask
		requests.Wait()
		require.Len(t, redis.asked, 2)
		assert.Equal(t, Terms{Wait: whole.Wait - 40*time.Millisecond}, redis.asked[1].terms)
		assert.Equal(t, 50*time.Millisecond, time.Duration(redis.asked[1].mark.Asked-start), "asked for when it was sent")
	})
}

func TestNobodyWaitsLongerThanItMay(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		redis.to = 900 * time.Millisecond
		var requests sync.WaitGroup
		requests.Go(func() { assert.True(t, d.request(1, 1).Held) })
		synctest.Wait()
		for _, most := range []time.Duration{100 * time.Millisecond, 0, -1} {
			answers, took := d.burst(3, 1, 1, Terms{Wait: most, Whole: true})
			for _, v := range answers {
				assert.Equal(t, errWaited, v.Err)
			}
			assert.Equal(t, max(0, most), took)
		}
		requests.Wait()
		assert.Len(t, redis.asked, 1)
		assert.Equal(t, Cache, d.request(1, 1).Source)
	})
}

func TestADenialOfUnknownLengthIsAlsoThatOfWhoWaitedForIt(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		redis.curt, redis.to = true, 60*time.Millisecond
		redis.run(newMark(1, 1, 1), true)
		answers, _ := d.burst(10, 1, 1, whole)
		assert.Len(t, redis.asked, 1)
		for _, v := range answers {
			assert.Equal(t, Refused, v.Answer)
			assert.Equal(t, interval-60*time.Millisecond, v.Wait)
		}
		assert.Equal(t, []Source{Redis, Cache}, []Source{answers[0].Source, answers[9].Source})
		assert.Equal(t, Redis, d.request(1, 1).Source, "who comes later asks")
	})
}

func TestADenialFromBeforeMarksWereTakenAwayIsNobodyElses(t *testing.T) {
	for _, curt := range []bool{true, false} {
		denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
			redis.curt, redis.back = curt, 60*time.Millisecond
			redis.run(newMark(1, 1, 1), true)
			var requests sync.WaitGroup
			requests.Go(func() { assert.False(t, d.request(1, 1).Held) })
			time.Sleep(10 * time.Millisecond)
			redis.free(newMark(1, 1, 1).Hash)
			d.clear(newMark(1, 1, 1).Hash) // as Forget does
			requests.Go(func() { assert.True(t, d.request(1, 1).Held) })
			requests.Wait()
		})
	}
}

func TestWhoWaitedForAGrantThatLeavesRoomAsks(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		d.request(3, 2)
		d.request(3, 2) // denied, and remembered
		time.Sleep(interval - 10*time.Millisecond)
		redis.to = 50 * time.Millisecond
		var requests sync.WaitGroup
		requests.Go(func() { assert.True(t, d.request(3, 2).Held) }) // a refresh, over the end
		time.Sleep(20 * time.Millisecond)
		assert.Equal(t, Redis, d.request(3, 3).Source)
		requests.Wait()
	})
}

func TestWhoDoesNotWaitEndsNobodysTurn(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		redis.to = 50 * time.Millisecond
		var requests sync.WaitGroup
		requests.Go(func() { d.request(1, 1) })
		synctest.Wait()
		redis.to = time.Millisecond
		assert.True(t, d.request(5, 1).Held)
		require.NoError(t, d.forget(t.Context(), newMark(1, 1, 1), whole))
		requests.Go(func() { d.request(1, 1) })
		synctest.Wait()
		assert.Len(t, redis.asked, 2, "it waits for the first")
		requests.Wait()
	})
}

func TestAPanicOfTheClientBlocksNobody(t *testing.T) {
	denialsInTime(t, func(t *testing.T, d *denials, redis *fakeRedis) {
		redis.panics, redis.to = true, 50*time.Millisecond
		var requests sync.WaitGroup
		requests.Go(func() { assert.Panics(t, func() { d.request(1, 1) }) })
		synctest.Wait()
		answers, _ := d.burst(3, 1, 1, whole)
		for _, v := range answers {
			assert.Equal(t, errPanicked, v.Err)
		}
		requests.Wait()
		redis.panics = false
		assert.True(t, d.request(1, 1).Held)
	})
}
