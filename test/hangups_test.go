package test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
)

// deadline is a middleware that gives the request's context so long.
func deadline(d time.Duration) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), d)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}

// slow is a service whose first answer takes until the request's context ends, and is 504 then; the others are 200. Where it
// was a server's error, the mark is to be taken back.
type slow struct {
	server  *httptest.Server
	started chan struct{}
	over    chan struct{} // has an element for each request whose handlers have all returned
	asked   atomic.Int64
}

func newSlow(t *testing.T, wrap func(http.Handler) http.Handler, where []ginlimit.Option, before ...gin.HandlerFunc) *slow {
	s := &slow{started: make(chan struct{}, 1), over: make(chan struct{}, 10)}
	refund := ginlimit.WithRefund(func(c *gin.Context) bool {
		s.asked.Add(1)
		return c.Writer.Status() >= 500
	})
	r := gintest.NewRouter()
	r.Use(func(c *gin.Context) { c.Next(); s.over <- struct{}{} })
	r.Use(before...)
	var requests atomic.Int64
	r.POST("/pay", ginlimit.New(with(where, ginlimit.WithInterval(time.Hour), refund)...), func(c *gin.Context) {
		if requests.Add(1) > 1 {
			return
		}
		s.started <- struct{}{}
		<-c.Request.Context().Done()
		c.Status(http.StatusGatewayTimeout)
	})
	s.server = httptest.NewServer(wrap(r))
	t.Cleanup(s.server.Close)
	return s
}

// pay sends a request and returns its status, 0 where the client had hung up before.
func (s *slow) pay(ctx context.Context) int {
	req, err := http.NewRequestWithContext(ctx, "POST", s.server.URL+"/pay", nil)
	if err != nil {
		return -1
	}
	response, err := s.server.Client().Do(req)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func bare(h http.Handler) http.Handler { return h }

// TestTheServersOwnDeadlineIsNoHangUp: who ran into it may come back at once.
func TestTheServersOwnDeadlineIsNoHangUp(t *testing.T) {
	for name, test := range map[string]struct {
		wrap   func(http.Handler) http.Handler
		before []gin.HandlerFunc
		status int
	}{
		"a middleware": {bare, []gin.HandlerFunc{deadline(50 * time.Millisecond)}, 504},
		"http.TimeoutHandler": {func(h http.Handler) http.Handler { return http.TimeoutHandler(h, 50*time.Millisecond, "too slow") },
			nil, 503},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
				s := newSlow(t, test.wrap, where, test.before...)
				require.Equal(t, test.status, s.pay(t.Context()))
				<-s.over
				assert.EqualValues(t, 1, s.asked.Load())
				assert.Equal(t, 200, s.pay(t.Context()), "its mark was taken back")
				assert.Equal(t, 429, s.pay(t.Context()))
			})
		})
	}
}

// TestAHangUpKeepsTheMark, also where the server has a deadline that hasn't passed.
func TestAHangUpKeepsTheMark(t *testing.T) {
	for name, before := range map[string][]gin.HandlerFunc{"no deadline": nil, "a deadline": {deadline(time.Hour)}} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, where ...ginlimit.Option) {
				s := newSlow(t, bare, where, before...)
				ctx, hangUp := context.WithCancel(t.Context())
				go func() {
					<-s.started
					hangUp()
				}()
				require.Zero(t, s.pay(ctx))
				<-s.over
				assert.Zero(t, s.asked.Load())
				assert.Equal(t, 429, s.pay(t.Context()))
			})
		})
	}
}
