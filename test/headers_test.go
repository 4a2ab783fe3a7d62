package test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// limitHeaders returns what is said of limits.
func limitHeaders(h http.Header) string {
	return fmt.Sprint(h["Retry-After"], h["Ratelimit-Policy"], h["Ratelimit"])
}

func TestHeadersToTheByte(t *testing.T) {
	for _, test := range []struct {
		opts  []Option
		after time.Duration
		want  []string // by request
	}{
		{nil, 0, []string{`[] [] []`, `[3] [] []`}},
		{[]Option{WithHeaders()}, 0, []string{
			`[] ["ginlimit";q=1;w=3] ["ginlimit";r=0;t=3]`,
			`[3] ["ginlimit";q=1;w=3] ["ginlimit";r=0;t=3]`,
		}},
		{[]Option{WithHeaders(), WithLimit(2), WithInterval(time.Minute), WithPrefix("login")}, 10 * time.Second, []string{
			`[] ["login";q=2;w=60] ["login";r=1]`,
			`[] ["login";q=2;w=60] ["login";r=0;t=50]`,
			`[40] ["login";q=2;w=60] ["login";r=0;t=40]`,
		}},
		{[]Option{WithHeaders(), WithInterval(500 * time.Millisecond)}, 100 * time.Millisecond, []string{
			`[] ["ginlimit";q=1;w=1] ["ginlimit";r=0;t=1]`,
			`[1] ["ginlimit";q=1;w=1] ["ginlimit";r=0;t=1]`,
		}},
		{[]Option{WithHeaders(), WithInterval(1900 * time.Millisecond)}, 901 * time.Millisecond, []string{
			`[] ["ginlimit";q=1;w=2] ["ginlimit";r=0;t=2]`,
			`[1] ["ginlimit";q=1;w=2] ["ginlimit";r=0;t=1]`,
		}},
		{[]Option{WithHeaders(), WithInterval(2001 * time.Millisecond)}, 0, []string{
			`[] ["ginlimit";q=1;w=3] ["ginlimit";r=0;t=3]`,
			`[3] ["ginlimit";q=1;w=3] ["ginlimit";r=0;t=3]`,
		}},
		{[]Option{WithHeaders(), WithDryRun()}, 0, []string{`[] [] []`, `[] [] []`}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := Router()
			r.GET("/x", New(append(test.opts, Quiet)...), OK)
			for _, want := range test.want {
				w := Request(r, "GET", "/x", Alice)
				assert.Equal(t, want, limitHeaders(w.Header()))
				for name := range w.Header() {
					assert.NotContains(t, name, "X-Rate")
				}
				time.Sleep(test.after)
			}
		})
	}
}

func TestHeadersOverRedis(t *testing.T) {
	r := Router()
	r.GET("/x", New(Quiet, Patient, WithRedis(Client(t, redistest.Start(t).Addr())), WithInterval(time.Hour), WithHeaders()), OK)
	for i, retryAfter := range []string{"[]", "[3600]"} {
		w := Request(r, "GET", "/x", Alice)
		assert.Equal(t, retryAfter+` ["ginlimit";q=1;w=3600] ["ginlimit";r=0;t=3600]`, limitHeaders(w.Header()), "request %d", i)
	}
}

func TestStackedLimitersAddAValueEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := Router()
		r.GET("/x", New(Quiet, WithHeaders(), WithPrefix("burst"), WithInterval(time.Second)),
			New(Quiet, WithHeaders(), WithPrefix("hourly"), WithInterval(time.Hour), WithLimit(20)), OK)
		assert.Equal(t, `[] ["burst";q=1;w=1 "hourly";q=20;w=3600] ["burst";r=0;t=1 "hourly";r=19]`,
			limitHeaders(Request(r, "GET", "/x", Alice).Header()))
		assert.Equal(t, `[1] ["burst";q=1;w=1] ["burst";r=0;t=1]`, limitHeaders(Request(r, "GET", "/x", Alice).Header()),
			"the first one denied")
	})
}

// TestRetryAfterIsNeverTooEarly comes back exactly when it was told to.
func TestRetryAfterIsNeverTooEarly(t *testing.T) {
	for _, interval := range []time.Duration{
		time.Millisecond, 999 * time.Millisecond, time.Second, 1001 * time.Millisecond, 7300 * time.Millisecond, time.Hour,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := Router()
			r.GET("/x", New(Quiet, WithInterval(interval)), OK)
			for _, part := range []time.Duration{0, 1, interval / 3, interval / 2, interval - 1} {
				require.Equal(t, 200, Request(r, "GET", "/x", Alice).Code)
				time.Sleep(part)
				denied := Request(r, "GET", "/x", Alice)
				require.Equal(t, 429, denied.Code)
				seconds, err := strconv.Atoi(denied.Header().Get("Retry-After"))
				require.NoError(t, err)
				require.GreaterOrEqual(t, seconds, 1)
				require.Less(t, time.Duration(seconds)*time.Second-(interval-part), time.Second, "no later than it must be")
				time.Sleep(time.Duration(seconds) * time.Second)
			}
		})
	}
}

func TestRetryAfterOfManyClientsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := Router()
		r.GET("/x", New(Quiet, WithInterval(200*time.Second)), OK)
		var clients []string
		for i := range 200 {
			clients = append(clients, fmt.Sprintf("10.0.0.%d:1", i))
			require.Equal(t, 200, Request(r, "GET", "/x", clients[i]).Code)
			time.Sleep(time.Second)
		}
		for i, client := range clients[1:] {
			w := Request(r, "GET", "/x", client)
			require.Equal(t, 429, w.Code)
			assert.Equal(t, []string{strconv.Itoa(i + 1)}, w.Header()["Retry-After"])
		}
	})
}

func TestNoRateLimitHeadersOn503(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	r := Router()
	r.GET("/x", New(Quiet, WithRedis(Client(t, server.Addr())), WithFailure(FailClosed), WithHeaders(),
		WithDenied(func(c *gin.Context, d Decision) { c.String(c.Writer.Status(), d.Outcome.String()) })), OK)
	w := Request(r, "GET", "/x", Alice)
	assert.Equal(t, 503, w.Code)
	assert.Equal(t, `[1] [] []`, limitHeaders(w.Header()))
	assert.Equal(t, "unavailable", w.Body.String())
}
