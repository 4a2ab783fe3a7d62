package test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// TestFailureModes is the design's table on a real server that is stopped, each cell with and without a dry run.
func TestFailureModes(t *testing.T) {
	for _, test := range []struct {
		mode       ginlimit.Failure
		known      bool // the client has live marks that this process was granted
		outcome    ginlimit.Outcome
		status     int
		retryAfter string
	}{
		{mode: ginlimit.FailLocal, outcome: ginlimit.Allowed, status: 200},
		{mode: ginlimit.FailLocal, known: true, outcome: ginlimit.Denied, status: 429, retryAfter: "60"},
		{mode: ginlimit.FailOpen, outcome: ginlimit.Allowed, status: 200},
		{mode: ginlimit.FailOpen, known: true, outcome: ginlimit.Allowed, status: 200},
		{mode: ginlimit.FailClosed, outcome: ginlimit.Unavailable, status: 503, retryAfter: "1"},
		{mode: ginlimit.FailClosed, known: true, outcome: ginlimit.Unavailable, status: 503, retryAfter: "1"},
	} {
		for _, dry := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/known=%t/dry=%t", test.mode, test.known, dry), func(t *testing.T) {
				server := redistest.Start(t)
				var last ginlimit.Decision
				opts := []ginlimit.Option{
					quiet, ginlimit.WithRedis(redistest.Dial(t, server.Addr())), ginlimit.WithFailure(test.mode),
					ginlimit.WithInterval(time.Minute), ginlimit.WithLimit(2), ginlimit.WithHeaders(),
					ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { last = d }),
				}
				if dry {
					opts = append(opts, ginlimit.WithDryRun())
				}
				r := gintest.NewRouter()
				r.GET("/x", ginlimit.New(opts...), gintest.OK)
				if test.known {
					require.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
				}
				server.Pause()
				defer server.Resume()
				if test.known { // its last mark: limits of 2 leave no remembered denial, which every mode would keep to
					gintest.Request(r, "GET", "/x", gintest.Alice)
				}
				w := gintest.Request(r, "GET", "/x", gintest.Alice)
				assert.Equal(t, test.outcome, last.Outcome)
				assert.Equal(t, ginlimit.FromMemory, last.Source)
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

// TestADenialThatRedisGaveStaysValid stops a Redis that has denied a client of another process.
func TestADenialThatRedisGaveStaysValid(t *testing.T) {
	for _, mode := range []ginlimit.Failure{ginlimit.FailLocal, ginlimit.FailOpen, ginlimit.FailClosed} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			var last ginlimit.Decision
			process := func() *gin.Engine {
				r := gintest.NewRouter()
				r.GET("/x", ginlimit.New(quiet, ginlimit.WithRedis(redistest.Dial(t, server.Addr())), ginlimit.WithFailure(mode),
					ginlimit.WithInterval(4*time.Second), ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { last = d })),
					gintest.OK)
				return r
			}
			require.Equal(t, 200, gintest.Request(process(), "GET", "/x", gintest.Alice).Code)
			r := process()
			require.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			require.Equal(t, ginlimit.FromRedis, last.Source)
			server.Pause()
			defer server.Resume()
			time.Sleep(time.Second) // Redis's clock is what has counted: the next one asks again, in vain
			for range 3 {
				require.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
				require.Equal(t, ginlimit.FromCache, last.Source)
			}
			require.Eventually(t, func() bool { return gintest.Request(r, "GET", "/x", gintest.Alice).Code != 429 }, 4*time.Second+margin,
				10*time.Millisecond)
			want := map[ginlimit.Failure]ginlimit.Outcome{ginlimit.FailClosed: ginlimit.Unavailable}[mode] // else allowed
			assert.Equal(t, want, last.Outcome)
		})
	}
}

// TestHandOverAndHandBackAreTight kills a Redis and restarts it empty. What one process lets through counts before, during and
// after.
func TestHandOverAndHandBackAreTight(t *testing.T) {
	server := redistest.Start(t)
	r := gintest.NewRouter()
	const interval = 5 * time.Second
	r.GET("/x", ginlimit.New(quiet, ginlimit.WithRedis(redistest.Dial(t, server.Addr())), ginlimit.WithInterval(interval)), gintest.OK)
	status := func(from string) int { return gintest.Request(r, "GET", "/x", from).Code }
	const before, during, after = "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"
	start := time.Now()
	require.Equal(t, 200, status(before))
	server.Kill()
	require.Equal(t, 200, status(during))
	require.Equal(t, []int{429, 429}, []int{status(before), status(during)})
	end := time.Now()
	server.Restart()
	time.Sleep(1200 * time.Millisecond) // until Redis is asked again
	require.Equal(t, 200, status(after))
	require.Equal(t, []int{429, 429, 429}, []int{status(before), status(during), status(after)})
	for _, client := range []string{before, during} {
		require.Eventually(t, func() bool { return status(client) == 200 }, interval+margin, 10*time.Millisecond)
	}
	assert.GreaterOrEqual(t, time.Since(start), interval)
	assert.Less(t, time.Since(end), interval+margin)
}

func TestAWrongTypeUnderOneKeyIsNoOutage(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	for limit, other := range map[int]func(key string) error{ // what is none of this limit's marks
		1:   func(key string) error { return admin.RPush(t.Context(), key, "a list").Err() },
		2:   func(key string) error { return admin.RPush(t.Context(), key, "a list").Err() },
		200: func(key string) error { return admin.Set(t.Context(), key, "a string", 0).Err() },
	} {
		logged := &gintest.Log{}
		var last ginlimit.Decision
		r := gintest.NewRouter()
		r.GET("/x", ginlimit.New(ginlimit.WithLogger(logged.Logger()), patient, ginlimit.WithRedis(redistest.Dial(t, server.Addr())),
			ginlimit.WithInterval(time.Minute), ginlimit.WithLimit(limit),
			ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { last = d })), gintest.OK)
		require.NoError(t, other(fmt.Sprintf("ginlimit:%d/1m:/x:ip=203.0.113.7", limit)))
		for i := range limit + 10 {
			gintest.Request(r, "GET", "/x", gintest.Alice)
			assert.Equal(t, i < limit, last.Outcome == ginlimit.Allowed, "by this process's own marks")
			if i < limit {
				assert.ErrorContains(t, last.Err, "WRONGTYPE")
			}
		}
		gintest.Request(r, "GET", "/x", gintest.Bob)
		assert.Equal(t, ginlimit.FromRedis, last.Source)
		assert.NoError(t, last.Err)
		assert.Empty(t, logged.Codes())
	}
}
