package test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// TestACommandThatComesTooLateLeavesNoMark freezes a server, which runs what was given up once it wakes: whoever was answered
// 503 then must not be denied.
func TestACommandThatComesTooLateLeavesNoMark(t *testing.T) {
	for name, frozen := range map[string]time.Duration{"shortly": 500 * time.Millisecond, "longer than the client reads": 4 * time.Second} {
		for kind, honours := range map[string]bool{"honours deadlines": true, "default": false} {
			t.Run(name+", "+kind, func(t *testing.T) {
				server := redistest.Start(t)
				client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: honours})
				t.Cleanup(func() { _ = client.Close() })
				r := gintest.NewRouter()
				r.GET("/x", ginlimit.New(quiet, ginlimit.WithRedis(client), ginlimit.WithInterval(time.Hour),
					ginlimit.WithFailure(ginlimit.FailClosed)), gintest.OK)
				require.Equal(t, 200, gintest.Request(r, "GET", "/x", "203.0.113.1:1").Code)
				require.Equal(t, 200, gintest.Request(r, "GET", "/x", "203.0.113.2:1").Code)
				server.Pause()
				require.Equal(t, 503, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
				time.Sleep(frozen) // the server's sleep is what is tested
				server.Resume()
				admin := server.Client()
				require.Eventually(t, func() bool {
					gintest.Request(r, "GET", "/x", gintest.Bob) // traffic, from which it is noticed that Redis answers
					return admin.Exists(t.Context(), "ginlimit:1/1h:/x:ip=203.0.113.8").Val() == 1
				}, 15*time.Second, 20*time.Millisecond)
				assert.Eventually(t, func() bool {
					gintest.Request(r, "GET", "/x", gintest.Bob)
					return admin.Exists(t.Context(), "ginlimit:1/1h:/x:ip=203.0.113.7").Val() == 0
				}, 15*time.Second, 20*time.Millisecond)
				assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			})
		}
	}
}
