package test

import (
	"net/http"
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

// TestARefundThatFailsLeavesTheResponseAlone stops Redis between a request's mark and its refund.
func TestARefundThatFailsLeavesTheResponseAlone(t *testing.T) {
	for kind, honours := range map[string]bool{"honours deadlines": true, "default": false} {
		t.Run(kind, func(t *testing.T) {
			server := redistest.Start(t)
			client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: honours})
			defer client.Close()
			require.NoError(t, client.Ping(t.Context()).Err())
			logged := &gintest.Log{}
			var refunds refunds
			r := gintest.NewRouter()
			r.POST("/x", ginlimit.New(ginlimit.WithLogger(logged.Logger()), ginlimit.WithRedis(client), ginlimit.WithInterval(time.Hour), refunds.option()), func(c *gin.Context) {
				if refunds.asked == 0 {
					server.Pause()
				}
				gintest.Status(502)(c)
			})
			start := time.Now()
			w := gintest.Request(r, "POST", "/x", gintest.Alice)
			assert.Less(t, time.Since(start), 200*time.Millisecond+margin)
			assert.Equal(t, 502, w.Code)
			assert.Equal(t, "answer", w.Body.String())
			assert.Equal(t, 1, refunds.asked)
			assert.Equal(t, 502, gintest.Request(r, "POST", "/x", gintest.Alice).Code, "this process's mark was taken back")
			assert.Equal(t, []string{"GL5"}, logged.Codes(), "refunds that fail are failures of Redis: two of the three so far")
			server.Resume()
		})
	}
}

func TestAMarkMadeInRedissPlaceIsRefunded(t *testing.T) {
	for mode, asked := range map[ginlimit.Failure]int{ginlimit.FailLocal: 3, ginlimit.FailOpen: 0, ginlimit.FailClosed: 0} {
		t.Run(mode.String(), func(t *testing.T) {
			server := redistest.Start(t)
			server.Kill()
			var refunds refunds
			r := gintest.NewRouter()
			r.POST("/x", ginlimit.New(quiet, ginlimit.WithRedis(redistest.Dial(t, server.Addr())), ginlimit.WithFailure(mode), ginlimit.WithInterval(time.Hour), refunds.option()),
				gintest.Status(500))
			want := map[ginlimit.Failure]int{ginlimit.FailLocal: 500, ginlimit.FailOpen: 500, ginlimit.FailClosed: http.StatusServiceUnavailable}[mode]
			for range 3 {
				assert.Equal(t, want, gintest.Request(r, "POST", "/x", gintest.Alice).Code)
			}
			assert.Equal(t, asked, refunds.asked, "FailOpen and ginlimit.FailClosed leave no mark to take back")
		})
	}
}
