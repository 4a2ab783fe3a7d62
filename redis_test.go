package ginlimit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// patient keeps a noisy machine from looking like a Redis that can't answer.
var patient = WithTimeout(10 * time.Second)

func marksOf(client redis.Cmdable, opts ...Option) *redisMarks {
	return newRedisMarks(newConfig(append(opts, WithRedis(client))))
}

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
	for _, limit := range []int{1, 3, 10} {
		const interval = 200 * time.Millisecond
		var mu sync.Mutex
		var allowed []span
		var clients sync.WaitGroup
		end := time.Now().Add(4 * time.Second)
		for range 3 { // processes
			r := newRouter()
			r.GET("/x", New(quiet, patient, WithRedis(newClient(t, server.Addr())), WithLimit(limit), WithInterval(interval)), ok)
			for range 3 {
				clients.Go(func() {
					for time.Now().Before(end) {
						start := time.Now()
						if request(r, "GET", "/x", alice).Code == 200 {
							mu.Lock()
							allowed = append(allowed, span{start, time.Now()})
							mu.Unlock()
						}
						time.Sleep(time.Duration(rand.Int64N(int64(10 * time.Millisecond))))
					}
				})
			}
		}
		clients.Wait()
		assertNoWindowHoldsMore(t, limit, interval, allowed)
		assert.Greater(t, len(allowed), 5*limit, "marks free up again")
	}
}

func TestASteadyClientBelowTheLimitIsNeverDenied(t *testing.T) {
	server := redistest.Start(t)
	r := newRouter()
	r.GET("/x", New(quiet, patient, WithRedis(newClient(t, server.Addr())), WithLimit(5), WithInterval(500*time.Millisecond)), ok)
	for range 25 {
		require.Equal(t, 200, request(r, "GET", "/x", alice).Code)
		time.Sleep(120 * time.Millisecond) // the server's clock is what is tested
	}
}

func TestNotARequestEarly(t *testing.T) {
	server := redistest.Start(t)
	for interval, rounds := range map[time.Duration]int{50 * time.Millisecond: 20, 1900 * time.Millisecond: 1} {
		for _, limit := range []int{1, 2} {
			r := newRouter()
			r.GET("/x", New(quiet, patient, WithRedis(newClient(t, server.Addr())), WithInterval(interval), WithLimit(limit)), ok)
			var allowed []span
			for len(allowed) <= rounds*limit {
				start := time.Now()
				if request(r, "GET", "/x", alice).Code == 200 {
					allowed = append(allowed, span{start, time.Now()})
				}
			}
			assertNoWindowHoldsMore(t, limit, interval, allowed)
		}
	}
}

func TestALostReplyNeitherDeniesNorCostsASecondMark(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	proxy := redistest.NewProxy(t, server.Addr())
	client := newClient(t, proxy.Addr())
	for _, limit := range []int{1, 3} {
		store := marksOf(client, WithLimit(limit))
		for range limit + 1 { // connects, and makes the script known
			require.NoError(t, store.take(t.Context(), newMark(fmt.Sprint("warm up", limit))).err)
		}
		m := newMark(fmt.Sprint("key", limit))
		proxy.CutNextReply()
		v := store.take(t.Context(), m)
		require.NoError(t, v.err)
		assert.True(t, v.held)
		assert.Equal(t, limit-1, v.remaining)
		if limit == 1 {
			assert.False(t, store.take(t.Context(), newMark(m.key)).held)
		} else {
			assert.EqualValues(t, 1, admin.ZCard(t.Context(), m.key).Val())
		}
		proxy.CutNextReply()
		require.NoError(t, store.undo(t.Context(), m), "taken back, though the first reply was lost")
	}
}

func TestUndoTakesNobodyElsesMark(t *testing.T) {
	server := redistest.Start(t)
	for _, limit := range []int{1, 2} {
		store := marksOf(server.Client(), WithLimit(limit))
		key := fmt.Sprint("key", limit)
		marks := []mark{newMark(key), newMark(key)}[:limit]
		for _, m := range marks {
			require.True(t, store.take(t.Context(), m).held)
		}
		require.NoError(t, store.undo(t.Context(), newMark(key)))
		assert.False(t, store.take(t.Context(), newMark(key)).held, "nothing was taken back")
		require.NoError(t, store.undo(t.Context(), marks[0]))
		assert.True(t, store.take(t.Context(), newMark(key)).held)
		assert.False(t, store.take(t.Context(), newMark(key)).held, "one was")
	}
}

func TestNobodyIsLockedOutForLongerThanTheInterval(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	const interval = time.Minute
	for name, spoil := range map[string]func(key string) error{
		"no TTL":   func(key string) error { return admin.Persist(context.Background(), key).Err() },
		"long TTL": func(key string) error { return admin.Expire(context.Background(), key, time.Hour).Err() },
	} {
		for _, limit := range []int{1, 2} {
			store := marksOf(admin, WithLimit(limit), WithInterval(interval))
			key := fmt.Sprint(name, limit)
			for range limit {
				require.True(t, store.take(t.Context(), newMark(key)).held)
			}
			require.NoError(t, spoil(key))
			v := store.take(t.Context(), newMark(key))
			assert.Equal(t, Denied, v.outcome)
			assert.LessOrEqual(t, v.wait, interval)
			ttl := admin.PTTL(t.Context(), key).Val()
			assert.Positive(t, ttl, name)
			assert.LessOrEqual(t, ttl, interval+time.Millisecond, name)
		}
	}
	store := marksOf(admin, WithLimit(2), WithInterval(interval))
	future := float64(time.Now().Add(24 * time.Hour).UnixMilli()) // marks by a faster clock
	admin.ZAdd(t.Context(), "failover", redis.Z{Score: future, Member: 1}, redis.Z{Score: future, Member: 2}, redis.Z{Score: future, Member: 3})
	v := store.take(t.Context(), newMark("failover"))
	assert.Equal(t, Denied, v.outcome)
	assert.LessOrEqual(t, v.wait, interval)
}

func TestADeniedRequestNeverExtendsTheMark(t *testing.T) {
	server := redistest.Start(t)
	for _, limit := range []int{1, 2} {
		store := marksOf(server.Client(), WithLimit(limit), WithInterval(300*time.Millisecond))
		start, key := time.Now(), fmt.Sprint("key", limit)
		for range limit {
			require.True(t, store.take(t.Context(), newMark(key)).held)
		}
		require.Eventually(t, func() bool { return store.take(t.Context(), newMark(key)).held }, 10*time.Second, time.Millisecond)
		assert.GreaterOrEqual(t, time.Since(start), 300*time.Millisecond)
	}
}

func TestARestartedRedisHasForgottenTheScripts(t *testing.T) {
	server := redistest.Start(t)
	store := marksOf(server.Client(), WithLimit(2))
	require.True(t, store.take(t.Context(), newMark("key")).held)
	require.NoError(t, server.Client().ScriptFlush(t.Context()).Err())
	v := store.take(t.Context(), newMark("key"))
	require.NoError(t, v.err)
	assert.Equal(t, 0, v.remaining)
}

func TestRepliesOfAnUnexpectedShapeDecideNothing(t *testing.T) {
	store := marksOf(redis.NewClient(&redis.Options{}), WithLimit(3), WithInterval(time.Second))
	for _, reply := range []any{
		nil, "OK", int64(1), []any{}, []any{int64(1)}, []any{int64(1), int64(2)}, []any{int64(1), int64(2), "3"},
		[]any{"1", "2", "3"}, []any{int64(2), int64(0), int64(1)}, []any{int64(-1), int64(0), int64(1)},
		[]any{int64(1), int64(3), int64(1)}, []any{int64(1), int64(-1), int64(1)}, []any{int64(0), int64(0), int64(-1)},
		[]any{int64(0), int64(0), int64(1002)}, []any{int64(1), int64(1), int64(1), int64(1)},
	} {
		assert.Equal(t, verdict{err: errReply}, store.read(reply), "%v", reply)
	}
	assert.Equal(t, granted(2, time.Second, Redis), store.read([]any{int64(1), int64(2), int64(1001)}))
	assert.Equal(t, refused(time.Millisecond, Redis), store.read([]any{int64(0), int64(0), int64(1)}))
}

// readmeACL is the ACL that the README tells users to set.
func readmeACL(t *testing.T) []any {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	line := regexp.MustCompile("ACL SETUSER [^`]*").FindString(string(readme))
	require.NotEmpty(t, line, "the README's ACL")
	var command []any
	for _, word := range strings.Fields(strings.ReplaceAll(line, "\\\n", " ")) {
		command = append(command, word)
	}
	return command
}

func TestTheReadmesACLIsEnough(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	acl := readmeACL(t)
	require.NoError(t, admin.Do(t.Context(), acl...).Err())
	client := redis.NewClient(&redis.Options{
		Addr: server.Addr(), Username: acl[2].(string), Password: "secret", ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { _ = client.Close() })
	require.ErrorContains(t, client.Set(t.Context(), "other:key", 1, 0).Err(), "NOPERM")
	require.ErrorContains(t, client.FlushAll(t.Context()).Err(), "NOPERM")
	for _, limit := range []int{1, 2} {
		store := marksOf(client, WithLimit(limit))
		for _, key := range []string{"ginlimit:a", "ginlimit:b"} {
			key += fmt.Sprint(limit)
			first := newMark(key)
			require.NoError(t, store.take(t.Context(), first).err)
			for range 2 {
				require.NoError(t, store.take(t.Context(), newMark(key)).err)
			}
			if limit == 1 {
				require.NoError(t, admin.Persist(t.Context(), key).Err())
				require.NoError(t, store.take(t.Context(), newMark(key)).err, "gives the TTL back")
			} else {
				require.NoError(t, admin.ZAdd(t.Context(), key, redis.Z{Score: 9e15, Member: "far"}).Err())
				require.NoError(t, store.take(t.Context(), newMark(key)).err, "mends the score")
			}
			require.NoError(t, store.undo(t.Context(), first))
		}
	}
}

func TestAMarkTakesLittleOfRedis(t *testing.T) {
	admin := redistest.Start(t).Client()
	store := marksOf(admin)
	key := "ginlimit:1/10s:/pay:ip=203.0.113.207"
	require.True(t, store.take(t.Context(), newMark(key)).held)
	bytes := admin.MemoryUsage(t.Context(), key).Val()
	t.Logf("%d bytes", bytes)
	assert.LessOrEqual(t, bytes, int64(128))
}

func TestOnMiniredis(t *testing.T) {
	server := miniredis.RunT(t)
	server.ClockTTL(true)
	for _, limit := range []int{1, 3} {
		r := newRouter()
		r.GET("/x", New(quiet, patient, WithRedis(newClient(t, server.Addr())), WithLimit(limit), WithInterval(100*time.Millisecond)), ok)
		for range limit {
			assert.Equal(t, http.StatusOK, request(r, "GET", "/x", alice).Code)
		}
		start := time.Now()
		require.Eventually(t, func() bool { return request(r, "GET", "/x", alice).Code == 200 }, 10*time.Second, time.Millisecond)
		assert.Positive(t, time.Since(start))
	}
}
