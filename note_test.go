package ginlimit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"

	"github.com/ginlimit/ginlimit/internal/gintest"
)

func TestARequestIsNeverDeniedByItsOwnMark(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		for _, limit := range []int{1, 2} {
			decisions := 0
			opts := with(where, WithLimit(limit), WithObserver(func(*gin.Context, Decision) { decisions++ }))
			one := New(opts...)
			r := gintest.NewRouter()
			r.Group("/same", one).GET("/x", one, gintest.OK)
			r.Group("/equal", one).GET("/x", New(opts...), gintest.OK)
			for _, path := range []string{"/same/x", "/equal/x"} {
				decisions = 0
				for range limit {
					assert.Equal(t, 200, gintest.Request(r, "GET", path, gintest.Alice).Code, path)
				}
				assert.Equal(t, 429, gintest.Request(r, "GET", path, gintest.Alice).Code, path)
				want := limit + 1
				if path == "/equal/x" && newConfig(opts).client == nil { // in memory each New has marks of its own
					want += limit
				}
				assert.Equal(t, want, decisions, "what the same marks decide is observed once")
			}
		}
	})
}

func TestHandleContextStartsANewRequest(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := gintest.NewRouter()
		limit := New(where...)
		r.GET("/old", limit, func(c *gin.Context) {
			c.Request.URL.Path = "/new"
			r.HandleContext(c)
		})
		r.GET("/new", limit, gintest.OK)
		assert.Equal(t, "done", gintest.Request(r, "GET", "/old", gintest.Alice).Body.String())
		assert.Equal(t, 429, gintest.Request(r, "GET", "/new", gintest.Alice).Code, "the second half left a mark of its own")
	})
}

func TestStackedLimitersDoNotSeeEachOthersMarks(t *testing.T) {
	everywhere(t, func(t *testing.T, where ...Option) {
		r := gintest.NewRouter()
		r.GET("/x", New(with(where, WithInterval(time.Second))...),
			New(with(where, WithInterval(time.Minute), WithLimit(3))...), gintest.OK)
		assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
		denied := gintest.Request(r, "GET", "/x", gintest.Alice)
		assert.Equal(t, 429, denied.Code)
		assert.Equal(t, "1", denied.Header().Get("Retry-After"), "the first limiter denied")
	})
}

func TestStackedLimitersOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := gintest.NewRouter()
		r.GET("/x", New(quiet, WithInterval(time.Second)), New(quiet, WithInterval(time.Minute), WithLimit(3)), gintest.OK)
		for range 3 {
			assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			assert.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
			time.Sleep(time.Second)
		}
		denied := gintest.Request(r, "GET", "/x", gintest.Alice)
		assert.Equal(t, 429, denied.Code)
		assert.Equal(t, "57", denied.Header().Get("Retry-After"))
		time.Sleep(57 * time.Second)
		assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
	})
}
