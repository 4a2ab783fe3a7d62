package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// TestMarksExpire holds that marks end by themselves, in the embedded Redis as in a real one, and that the page's list
// shows them until then.
func TestMarksExpire(t *testing.T) {
	gin.SetMode(gin.TestMode)
	for name, rawURL := range map[string]func(t *testing.T) string{
		"embedded Redis": func(*testing.T) string { return "" },
		"real Redis":     func(t *testing.T) string { return "redis://" + redistest.Start(t).Addr() },
	} {
		for _, limit := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, limit %d", name, limit), func(t *testing.T) {
				m, err := openRedis(t.Context(), rawURL(t))
				require.NoError(t, err)
				defer m.close()
				rdb := m.newClient()
				defer rdb.Close()
				expire(t, rdb, limit)
			})
		}
	}
}

func expire(t *testing.T, rdb *redis.Client, limit int) {
	t.Helper()
	const interval = 2 * time.Second
	r := gin.New()
	require.NoError(t, r.SetTrustedProxies(nil))
	r.GET("/", ginlimit.New(ginlimit.WithRedis(rdb), ginlimit.WithLimit(limit), ginlimit.WithInterval(interval)))
	ask := func() int {
		response := httptest.NewRecorder()
		r.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/", nil))
		return response.Code
	}

	began := time.Now()
	for range limit {
		require.Equal(t, http.StatusOK, ask())
	}
	marks, err := marksIn(t.Context(), rdb)
	require.NoError(t, err)
	denied := ask()
	if time.Since(began) < interval { // or the machine was too slow to see them
		require.Equal(t, http.StatusTooManyRequests, denied)
		require.Len(t, marks, limit)
		for _, mark := range marks {
			require.Equal(t, fmt.Sprintf("ginlimit:%d/2s:/:ip=192.0.2.1", limit), mark.Key)
			require.NotEmpty(t, mark.Token)
			require.LessOrEqual(t, mark.MSLeft, interval.Milliseconds())
		}
	}

	require.Eventually(t, func() bool {
		marks, err := marksIn(t.Context(), rdb)
		return err == nil && len(marks) == 0
	}, patience, 50*time.Millisecond)
	require.GreaterOrEqual(t, time.Since(began), interval, "a mark must not end early")
	require.Equal(t, http.StatusOK, ask())
}
