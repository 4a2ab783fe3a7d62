package ginlimit

import (
	"context"
	"io"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

var quiet = WithLogger(gintest.Discard)

// everywhere runs a test with marks in this process and with marks in a real Redis.
func everywhere(t *testing.T, test func(t *testing.T, where ...Option)) {
	t.Run("memory", func(t *testing.T) { test(t, quiet) })
	t.Run("redis", func(t *testing.T) {
		test(t, quiet, WithRedis(redistest.Dial(t, redistest.Start(t).Addr())), WithTimeout(5*time.Second))
	})
}

// with returns the options of a test after those that say where marks live.
func with(where []Option, opts ...Option) []Option {
	return append(append([]Option{}, where...), opts...)
}

func TestOneRequestPerIntervalRouteAndClient(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := gintest.NewRouter()
		limit := New(with(where, WithInterval(10*time.Second))...)
		r.POST("/pay", limit, gintest.OK)
		r.POST("/refund/:id", limit, gintest.OK)

		first := gintest.Request(r, "POST", "/pay", gintest.Alice)
		assert.Equal(t, 200, first.Code)
		assert.Equal(t, "done", first.Body.String())
		assert.Empty(t, first.Header().Get("Retry-After"))

		again := gintest.Request(r, "POST", "/pay", gintest.Alice)
		assert.Equal(t, 429, again.Code)
		assert.Equal(t, "10", again.Header().Get("Retry-After"))
		assert.Empty(t, again.Body.String())

		assert.Equal(t, 200, gintest.Request(r, "POST", "/pay", gintest.Bob).Code, "another client")
		assert.Equal(t, 200, gintest.Request(r, "POST", "/refund/1", gintest.Alice).Code, "another route")
		assert.Equal(t, 429, gintest.Request(r, "POST", "/refund/2", gintest.Alice).Code, "the same route with another parameter")
	})
}

func TestScopes(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		for _, test := range []struct {
			scope                   Scope
			otherClient, otherRoute int
		}{
			{PathAndIP, 200, 200},
			{PathOnly, 429, 200},
			{IPOnly, 200, 429},
		} {
			t.Run(test.scope.String(), func(t *testing.T) {
				r := gintest.NewRouter()
				limit := New(with(where, WithScope(test.scope), WithPrefix(test.scope.String()), WithInterval(time.Minute))...)
				r.GET("/a", limit, gintest.OK)
				r.GET("/b", limit, gintest.OK)
				require.Equal(t, 200, gintest.Request(r, "GET", "/a", gintest.Alice).Code)
				assert.Equal(t, 429, gintest.Request(r, "GET", "/a", gintest.Alice).Code)
				assert.Equal(t, test.otherClient, gintest.Request(r, "GET", "/a", gintest.Bob).Code, "another client")
				assert.Equal(t, test.otherRoute, gintest.Request(r, "GET", "/b", gintest.Alice).Code, "another route")
			})
		}
	})
}

func TestGroupGivesEachRouteItsOwnMarks(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := gintest.NewRouter()
		api := r.Group("/api", New(where...))
		api.GET("/a", gintest.OK)
		api.GET("/b", gintest.OK)
		assert.Equal(t, 200, gintest.Request(r, "GET", "/api/a", gintest.Alice).Code)
		assert.Equal(t, 200, gintest.Request(r, "GET", "/api/b", gintest.Alice).Code)
		assert.Equal(t, 429, gintest.Request(r, "GET", "/api/a", gintest.Alice).Code)
	})
}

func TestMarksExpireToTheMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, interval := range []time.Duration{50 * time.Millisecond, 1900 * time.Millisecond, 3 * time.Second} {
			r := gintest.NewRouter()
			r.GET("/x", New(quiet, WithInterval(interval)), gintest.OK)
			require.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			time.Sleep(interval - 1)
			assert.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			time.Sleep(1)
			assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code, "a denied request never extends the mark")
		}
	})
}

func TestDeniedFunctionCanNeitherForgetNorRunTheHandlers(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		for name, denied := range map[string]func(*gin.Context, Decision){
			"writes nothing": func(*gin.Context, Decision) {},
			"calls Next":     func(c *gin.Context, _ Decision) { c.Next() },
			"panics":         func(*gin.Context, Decision) { panic("denied") },
		} {
			t.Run(name, func(t *testing.T) {
				ran := 0
				r := gintest.NewRouter()
				r.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.Abort() }))
				r.GET("/x/:n", New(with(where, WithDenied(denied), WithPrefix(name[:5]))...), func(c *gin.Context) { ran++ })
				gintest.Request(r, "GET", "/x/1", gintest.Alice)
				again := gintest.Request(r, "GET", "/x/2", gintest.Alice)
				assert.Equal(t, 429, again.Code)
				assert.Equal(t, "3", again.Header().Get("Retry-After"))
				assert.Equal(t, 1, ran)
			})
		}
	})
}

func TestDeniedFunctionWritesTheAnswer(t *testing.T) {
	r := gintest.NewRouter()
	r.GET("/x", New(quiet, WithDenied(func(c *gin.Context, d Decision) {
		c.JSON(c.Writer.Status(), gin.H{"after": d.RetryAfter.Seconds()})
	})), gintest.OK)
	gintest.Request(r, "GET", "/x", gintest.Alice)
	again := gintest.Request(r, "GET", "/x", gintest.Alice)
	assert.Equal(t, 429, again.Code)
	assert.Contains(t, again.Body.String(), `"after":2.9`)
}

func TestHangingUpAtOnceIsCounted(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := gintest.NewRouter()
		r.GET("/x", New(where...), gintest.OK)
		gone, hangUp := context.WithCancel(context.Background())
		hangUp()
		w := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(gone, "GET", "/x", nil)
		req.RemoteAddr = gintest.Alice
		r.ServeHTTP(w, req)
		assert.Equal(t, 200, w.Code)
		assert.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
	})
}
