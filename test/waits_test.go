package test

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// The timeout of these tests is four times the default one, so that a noisy machine doesn't look like a second wait.
const (
	timeout = 400 * time.Millisecond
	noise   = 300 * time.Millisecond
)

// TestLimitersOfARequestWaitTogether silences Redis under three limiters with refunds.
func TestLimitersOfARequestWaitTogether(t *testing.T) {
	forEachKind(t, func(t *testing.T, server *redistest.Server, proxy *redistest.Proxy, client redis.Cmdable) {
		r := gintest.NewRouter()
		for i := range 3 {
			r.Use(ginlimit.New(quiet, ginlimit.WithTimeout(timeout), ginlimit.WithRedis(client), ginlimit.WithPrefix(fmt.Sprint("p", i)),
				ginlimit.WithRefund(func(*gin.Context) bool { return true })))
		}
		r.GET("/x", func(c *gin.Context) {
			if c.Query("stop") != "" {
				proxy.BlackHole()
			}
		})
		warmUp(r, "/x")
		start := time.Now()
		require.Equal(t, 200, gintest.Request(r, "GET", "/x?stop=1", gintest.Alice).Code)
		assert.Less(t, time.Since(start), timeout+noise, "all refunds together")
		start = time.Now()
		require.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
		assert.Less(t, time.Since(start), 2*timeout+noise, "all limiters together, and all refunds")
	})
}

// TestAQuietServiceWaitsAFewTimes sends a request every 300 ms to a Redis that is silent or refuses connections.
func TestAQuietServiceWaitsAFewTimes(t *testing.T) {
	for fault, begin := range map[string]func(*redistest.Proxy){"silent": (*redistest.Proxy).BlackHole, "refused": (*redistest.Proxy).Refuse} {
		t.Run(fault, func(t *testing.T) {
			for kind, dial := range kinds {
				t.Run(kind, func(t *testing.T) {
					t.Parallel() // nearly all of the time nothing is done
					proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
					client := dial(proxy.Addr())
					t.Cleanup(func() { _ = client.(io.Closer).Close() })
					t.Cleanup(proxy.Refuse)
					r := gintest.NewRouter()
					r.GET("/x", ginlimit.New(quiet, ginlimit.WithTimeout(timeout), ginlimit.WithRedis(client)), gintest.OK)
					warmUp(r, "/x")
					begin(proxy)
					waited := 0
					for i := range 9 {
						start := time.Now()
						gintest.Request(r, "GET", "/x", fmt.Sprintf("10.0.0.%d:1", i))
						if took := time.Since(start); took > timeout/2 {
							waited++
							assert.Less(t, took, timeout+noise)
						}
						time.Sleep(300 * time.Millisecond)
					}
					assert.LessOrEqual(t, waited, 5)
				})
			}
		})
	}
}

func TestTenLimitersAreOneOutage(t *testing.T) {
	forEachKind(t, func(t *testing.T, server *redistest.Server, proxy *redistest.Proxy, client redis.Cmdable) {
		logged := &gintest.Log{}
		r := gintest.NewRouter()
		for i := range 10 {
			r.GET(fmt.Sprint("/", i), ginlimit.New(ginlimit.WithLogger(logged.Logger()), ginlimit.WithRedis(client),
				ginlimit.WithPrefix(fmt.Sprint("p", i))), gintest.OK)
		}
		warmUp(r, "/0")
		proxy.Refuse()
		for i := range 50 {
			gintest.Request(r, "GET", fmt.Sprint("/", i%10), gintest.Alice)
		}
		require.Equal(t, []string{"GL5"}, logged.Codes())
		assert.Contains(t, logged.Entries()[0]["error"], "connection refused")
		assert.Equal(t, proxy.Addr(), logged.Entries()[0]["node"])
	})
}

func TestAHerdWaitsOnce(t *testing.T) {
	forEachKind(t, func(t *testing.T, server *redistest.Server, proxy *redistest.Proxy, client redis.Cmdable) {
		r := gintest.NewRouter()
		r.GET("/x", ginlimit.New(quiet, ginlimit.WithTimeout(timeout), ginlimit.WithRedis(client), ginlimit.WithScope(ginlimit.PathOnly),
			ginlimit.WithInterval(time.Millisecond), ginlimit.WithFailure(ginlimit.FailOpen)), gintest.OK)
		warmUp(r, "/x")
		time.Sleep(10 * time.Millisecond)
		proxy.BlackHole()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				start := time.Now()
				assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
				assert.Less(t, time.Since(start), timeout+noise)
			})
		}
		all.Wait()
	})
}

// TestAFarRedisDecides delays each reply by so much that two round trips don't fit into the timeout.
func TestAFarRedisDecides(t *testing.T) {
	const delay = 240 * time.Millisecond
	forEachKind(t, func(t *testing.T, server *redistest.Server, proxy *redistest.Proxy, client redis.Cmdable) {
		if _, is := client.(*tenant); is {
			t.Skip("it says where keys are set only, not where they are read")
		}
		t.Parallel() // nearly all of the time nothing is done
		proxy.Delay(delay)
		var last ginlimit.Decision
		logged := &gintest.Log{}
		r := gintest.NewRouter()
		limit := func(prefix string) gin.HandlerFunc {
			return ginlimit.New(ginlimit.WithLogger(logged.Logger()), ginlimit.WithRedis(client), ginlimit.WithInterval(time.Hour),
				ginlimit.WithTimeout(timeout), ginlimit.WithPrefix(prefix),
				ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { last = d }))
		}
		r.GET("/x", limit("one"), gintest.OK)
		r.GET("/two", limit("two"), limit("three"), gintest.OK)
		clients := 0
		fresh := func(path string) int {
			clients++
			return gintest.Request(r, "GET", path, fmt.Sprintf("10.0.0.%d:1", clients)).Code
		}
		byRedis := func() bool { fresh("/x"); return last.Source == ginlimit.FromRedis }
		require.Eventually(t, byRedis, 5*time.Second, timeout) // it takes several round trips to connect
		for range 2 {
			key := fmt.Sprintf("one:1/1h:/x:ip=10.0.0.%d", clients+1)
			require.NoError(t, server.Client().Set(t.Context(), key, "another process's", time.Hour).Err())
			assert.Equal(t, 429, fresh("/x"))
			assert.Equal(t, ginlimit.FromRedis, last.Source)
			time.Sleep(2 * timeout) // the pipeliner doesn't send the next command while it waits for the last one's reply
		}
		for range 2 { // the second limiter's answer doesn't come in what is left: that is no outage
			assert.Equal(t, 200, fresh("/two"))
		}
		require.Eventually(t, byRedis, 5*time.Second, timeout)
		assert.Empty(t, logged.Entries())
	})
}
