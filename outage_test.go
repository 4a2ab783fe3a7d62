package ginlimit

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// TestFailureModes is the design's table on a real server that is stopped, each cell with and without a dry run.
func TestFailureModes(t *testing.T) {
	for _, test := range []struct {
		mode       Failure
		known      bool // the client has live marks that this process was granted
		outcome    Outcome
		status     int
		retryAfter string
	}{
		{mode: FailLocal, outcome: Allowed, status: 200},
		{mode: FailLocal, known: true, outcome: Denied, status: 429, retryAfter: "60"},
		{mode: FailOpen, outcome: Allowed, status: 200},
		{mode: FailOpen, known: true, outcome: Allowed, status: 200},
		{mode: FailClosed, outcome: Unavailable, status: 503, retryAfter: "1"},
		{mode: FailClosed, known: true, outcome: Unavailable, status: 503, retryAfter: "1"},
	} {
		for _, dry := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/known=%t/dry=%t", test.mode, test.known, dry), func(t *testing.T) {
				server := redistest.Start(t)
				var last Decision
				opts := []Option{
					quiet, WithRedis(newClient(t, server.Addr())), WithFailure(test.mode), WithInterval(time.Minute), WithLimit(2),
					WithHeaders(), WithObserver(func(_ *gin.Context, d Decision) { last = d }),
				}
				if dry {
					opts = append(opts, WithDryRun())
				}
				r := newRouter()
				r.GET("/x", New(opts...), ok)
				if test.known {
					require.Equal(t, 200, request(r, "GET", "/x", alice).Code)
				}
				server.Pause()
				defer server.Resume()
				if test.known { // its last mark: limits of 2 leave no remembered denial, which every mode would keep to
					request(r, "GET", "/x", alice)
				}
				w := request(r, "GET", "/x", alice)
				assert.Equal(t, test.outcome, last.Outcome)
				assert.Equal(t, Memory, last.Source)
				assert.Error(t, last.Err)
				assert.Equal(t, dry, last.DryRun)
				if dry {
					assert.Equal(t, 200, w.Code)
					assert.Empty(t, w.Header().Get("Retry-After"))
					assert.Empty(t, w.Header().Get("RateLimit"))
					return
				}
				assert.Equal(t, test.status, w.Code)
				if test.retryAfter == "60" {
					assert.Contains(t, []string{"60", "59", "58"}, w.Header().Get("Retry-After"))
				} else {
					assert.Equal(t, test.retryAfter, w.Header().Get("Retry-After"))
				}
				assert.Equal(t, test.status == 503, w.Header().Get("RateLimit") == "", "none on 503")
			})
		}
	}
}

func TestRememberedDenialsStayValidInEveryMode(t *testing.T) {
	for _, mode := range []Failure{FailLocal, FailOpen, FailClosed} {
		synctest.Test(t, func(t *testing.T) {
			fake := newFakeRedis()
			require.True(t, fake.take(t.Context(), newMark("key")).held, "by another process")
			store := storeOver(fake, WithFailure(mode))
			require.Equal(t, Redis, store.take(t.Context(), newMark("key")).source)
			fake.err = errors.New("away")
			time.Sleep(time.Second)
			for _, source := range []Source{Cache, Cache} { // the first of them asks Redis in vain
				v := store.take(t.Context(), newMark("key"))
				assert.Equal(t, Denied, v.outcome)
				assert.Equal(t, source, v.source)
				assert.Equal(t, 2*time.Second, v.wait)
			}
			time.Sleep(2 * time.Second)
			want := map[Failure]Outcome{FailLocal: Allowed, FailOpen: Allowed, FailClosed: Unavailable}[mode]
			assert.Equal(t, want, store.take(t.Context(), newMark("key")).outcome, "a denied request has left no mark")
		})
	}
}

// noRedis is made outside of the bubbles of fake time, because it starts a goroutine. Nothing is sent through it.
var noRedis = redis.NewClient(&redis.Options{ContextTimeoutEnabled: true})

// storeOver composes the stores as newLimiter does, over a fake Redis.
func storeOver(fake store, opts ...Option) store {
	cfg := newConfig(append(opts, quiet, WithRedis(noRedis)))
	w := &warnings{logger: cfg.logger}
	return newDenials(cfg, newOutage(cfg, w, fake))
}

func TestHandOverAndHandBackAreTight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		interval := WithInterval(10 * time.Second)
		fake := newFakeRedis(interval)
		store := storeOver(fake, interval)
		allowed := func(key string) bool { return store.take(t.Context(), newMark(key)).outcome == Allowed }

		require.True(t, allowed("before"))
		time.Sleep(2 * time.Second)
		fake.err = errors.New("away")
		require.True(t, allowed("during"))
		require.False(t, allowed("before"), "this process knows its grants")
		time.Sleep(2 * time.Second)
		fake.err = nil
		fake.forget() // restarted empty
		require.True(t, allowed("after"))
		require.False(t, allowed("during"))
		require.False(t, allowed("before"))
		time.Sleep(6 * time.Second)
		require.True(t, allowed("before"), "its interval is over")
		require.False(t, allowed("during"))
		time.Sleep(2 * time.Second)
		require.True(t, allowed("during"))
	})
}

func TestAGrantThatCameTooLateGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeRedis()
		o := newOutage(newConfig([]Option{WithRedis(noRedis)}), &warnings{logger: discard}, fake)
		fake.delay = 50 * time.Millisecond
		slow := make(chan verdict)
		go func() { slow <- o.take(t.Context(), newMark("key")) }()
		synctest.Wait() // Redis is granting it
		fake.mu.Lock()
		fake.delay, fake.err = 0, errors.New("away")
		fake.mu.Unlock()
		require.Equal(t, Allowed, o.take(t.Context(), newMark("key")).outcome, "in Redis's place")
		assert.Equal(t, Denied, (<-slow).outcome)
	})
}

func TestOneLineWhenRedisGoesAndOneWhenItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logged := &log{}
		cfg := newConfig([]Option{logged.option(), WithRedis(noRedis)})
		fake := newFakeRedis()
		store := newOutage(cfg, &warnings{logger: cfg.logger}, fake)
		traffic := func(seconds int) {
			for i := range 100 * seconds {
				store.take(t.Context(), newMark(fmt.Sprint(i, now())))
				time.Sleep(10 * time.Millisecond)
			}
		}
		for range 2 {
			traffic(2)
			fake.err = errors.New("away")
			traffic(10)
			fake.err = nil
			traffic(3)
		}
		assert.Equal(t, []string{"GL5", "GL6", "GL5", "GL6"}, logged.codes())
		assert.Equal(t, "away", logged.entries()[0]["error"])
	})
}

func TestTheBreakerSparesARedisThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeRedis()
		store := storeOver(fake)
		fake.err = errors.New("away")
		for i := range 1000 { // ten seconds
			v := store.take(t.Context(), newMark(fmt.Sprint(i)))
			require.EqualError(t, v.err, "away", "the reason, not the breaker's")
			time.Sleep(10 * time.Millisecond)
		}
		assert.LessOrEqual(t, fake.asked(), 5+10, "five failures, then a probe a second")
	})
}

func TestAWrongTypeUnderOneKeyIsNoOutage(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	for _, limit := range []int{1, 2} {
		logged := &log{}
		var last Decision
		r := newRouter()
		r.GET("/x", New(logged.option(), patient, WithRedis(newClient(t, server.Addr())), WithInterval(time.Minute), WithLimit(limit),
			WithObserver(func(_ *gin.Context, d Decision) { last = d })), ok)
		require.NoError(t, admin.RPush(t.Context(), fmt.Sprintf("ginlimit:%d/1m:/x:ip=203.0.113.7", limit), "a list").Err())
		for i := range 20 {
			want := map[bool]int{true: 200, false: 429}[i < limit]
			assert.Equal(t, want, request(r, "GET", "/x", alice).Code)
			if i == 0 {
				assert.ErrorContains(t, last.Err, "WRONGTYPE")
			}
		}
		request(r, "GET", "/x", bob)
		assert.Equal(t, Redis, last.Source)
		assert.NoError(t, last.Err)
		assert.Empty(t, logged.codes())
	}
}

func TestADeletedMarkFreesItsClientOnARealRedis(t *testing.T) {
	server := redistest.Start(t)
	r := newRouter()
	r.GET("/x", New(quiet, patient, WithRedis(newClient(t, server.Addr())), WithInterval(time.Hour)), ok)
	require.Equal(t, 200, request(r, "GET", "/x", alice).Code)
	require.Equal(t, 429, request(r, "GET", "/x", alice).Code)
	require.EqualValues(t, 1, server.Client().Del(t.Context(), "ginlimit:1/1h:/x:ip=203.0.113.7").Val())
	require.Eventually(t, func() bool { return request(r, "GET", "/x", alice).Code == 200 }, time.Second+margin, 10*time.Millisecond)
}
