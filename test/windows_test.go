package test

import (
	"math/rand/v2"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// span is when a request began and ended.
type span struct{ start, end time.Time }

// assertNoWindowHoldsMore checks that no window of one interval certainly held more than n requests.
func assertNoWindowHoldsMore(t *testing.T, n int, interval time.Duration, allowed []span) {
	t.Helper()
	sort.Slice(allowed, func(i, j int) bool { return allowed[i].start.Before(allowed[j].start) })
	for i, first := range allowed {
		inside := 0
		for _, other := range allowed[i:] {
			if other.end.Sub(first.start) < interval {
				inside++
			}
		}
		if inside > n {
			t.Fatalf("%d requests were allowed within %s from %s on", inside, interval, first.start)
		}
	}
}

func TestNoWindowHoldsMoreThanTheLimit(t *testing.T) {
	server := redistest.Start(t)
	for _, limit := range []int{1, 3, 10, 130} {
		const interval = 200 * time.Millisecond
		most := 10 * time.Millisecond
		if limit > 100 {
			most = time.Millisecond
		}
		var mu sync.Mutex
		var allowed []span
		var clients sync.WaitGroup
		end := time.Now().Add(2 * time.Second)
		for range 3 { // processes
			r := gintest.NewRouter()
			r.GET("/x", ginlimit.New(quiet, patient, ginlimit.WithRedis(redistest.Dial(t, server.Addr())), ginlimit.WithLimit(limit),
				ginlimit.WithInterval(interval)), gintest.OK)
			for range 3 {
				clients.Go(func() {
					for time.Now().Before(end) {
						start := time.Now()
						if gintest.Request(r, "GET", "/x", gintest.Alice).Code == 200 {
							mu.Lock()
							allowed = append(allowed, span{start, time.Now()})
							mu.Unlock()
						}
						time.Sleep(rand.N(most))
					}
				})
			}
		}
		clients.Wait()
		assertNoWindowHoldsMore(t, limit, interval, allowed)
		assert.Greater(t, len(allowed), 3*limit, "marks free up again")
	}
}

func TestASteadyClientBelowTheLimitIsNeverDenied(t *testing.T) {
	server := redistest.Start(t)
	r := gintest.NewRouter()
	r.GET("/x", ginlimit.New(quiet, patient, ginlimit.WithRedis(redistest.Dial(t, server.Addr())), ginlimit.WithLimit(5),
		ginlimit.WithInterval(500*time.Millisecond)), gintest.OK)
	for range 25 {
		require.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
		time.Sleep(120 * time.Millisecond) // the server's clock is what is tested
	}
}

func TestNotARequestEarly(t *testing.T) {
	server := redistest.Start(t)
	for interval, rounds := range map[time.Duration]int{50 * time.Millisecond: 20, 1900 * time.Millisecond: 1} {
		for _, limit := range []int{1, 2, 130} {
			r := gintest.NewRouter()
			r.GET("/x", ginlimit.New(quiet, patient, ginlimit.WithRedis(redistest.Dial(t, server.Addr())),
				ginlimit.WithInterval(interval), ginlimit.WithLimit(limit)), gintest.OK)
			var allowed []span
			for len(allowed) <= rounds*limit {
				start := time.Now()
				if gintest.Request(r, "GET", "/x", gintest.Alice).Code == 200 {
					allowed = append(allowed, span{start, time.Now()})
				}
			}
			assertNoWindowHoldsMore(t, limit, interval, allowed)
		}
	}
}

func TestADeletedMarkFreesItsClient(t *testing.T) {
	server := redistest.Start(t)
	r := gintest.NewRouter()
	r.GET("/x", ginlimit.New(quiet, patient, ginlimit.WithRedis(redistest.Dial(t, server.Addr())), ginlimit.WithInterval(time.Hour)), gintest.OK)
	require.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
	require.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
	require.EqualValues(t, 1, server.Client().Del(t.Context(), "ginlimit:1/1h:/x:ip=203.0.113.7").Val())
	require.Eventually(t, func() bool { return gintest.Request(r, "GET", "/x", gintest.Alice).Code == 200 }, time.Second+margin, 10*time.Millisecond)
}

func TestOnMiniredis(t *testing.T) {
	server := miniredis.RunT(t)
	server.ClockTTL(true)
	for _, limit := range []int{1, 3, 130} {
		logged := &gintest.Log{}
		r := gintest.NewRouter()
		r.GET("/x", ginlimit.New(ginlimit.WithLogger(logged.Logger()), patient, ginlimit.WithRedis(redistest.Dial(t, server.Addr())),
			ginlimit.WithLimit(limit), ginlimit.WithInterval(300*time.Millisecond)), gintest.OK)
		start := time.Now()
		for range limit {
			assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
		}
		require.Eventually(t, func() bool { return gintest.Request(r, "GET", "/x", gintest.Alice).Code == 200 }, 10*time.Second, time.Millisecond)
		assert.GreaterOrEqual(t, time.Since(start), 300*time.Millisecond)
		assert.Empty(t, logged.Codes())
	}
}
