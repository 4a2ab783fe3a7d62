package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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

// pair is two limiters, one on a group and one on its route, that differ only in what their kinds say.
type pair struct {
	log      gintest.Log
	observed int
	router   *gin.Engine
	limiters [2]*ginlimit.Limiter
}

func newPair(client redis.Cmdable, kinds ...string) *pair {
	p := &pair{router: gintest.NewRouter()}
	for i, kind := range kinds {
		opts := []ginlimit.Option{ginlimit.WithTimeout(time.Second), ginlimit.WithLogger(p.log.Logger()), ginlimit.WithInterval(time.Hour),
			ginlimit.WithObserver(func(*gin.Context, ginlimit.Decision) { p.observed++ })}
		if kind != "memory" {
			opts = append(opts, ginlimit.WithRedis(client))
		}
		switch kind {
		case "dry run":
			opts = append(opts, ginlimit.WithDryRun())
		case "FailOpen":
			opts = append(opts, ginlimit.WithFailure(ginlimit.FailOpen))
		case "FailClosed":
			opts = append(opts, ginlimit.WithFailure(ginlimit.FailClosed))
		case "refund":
			opts = append(opts, ginlimit.WithRefund(func(*gin.Context) bool { return true }))
		}
		p.limiters[i] = ginlimit.NewLimiter(opts...)
	}
	p.router.Group("/", p.limiters[0].Handle).GET("/x", p.limiters[1].Handle, gintest.OK)
	return p
}

// twice sends two requests of one client and returns what became of them: the statuses, how often each was observed, how
// many marks of theirs are alive, and whether GL3 was said.
func (p *pair) twice(client redis.Cmdable) string {
	var statuses, observed []int
	for range 2 {
		before := p.observed
		statuses = append(statuses, gintest.Request(p.router, "GET", "/x", gintest.Alice).Code)
		observed = append(observed, p.observed-before)
	}
	// A look by limiters that may only look: at the marks in Redis or, where it is away, in its place, and at each table in memory.
	look := []*ginlimit.Limiter{ginlimit.NewLimiter(quiet, ginlimit.WithRedis(client), ginlimit.WithInterval(time.Hour))}
	for _, l := range p.limiters {
		look = append(look, l)
	}
	marks := 0
	seen := gintest.NewRouter()
	seen.GET("/x", func(c *gin.Context) {
		for i, l := range look {
			if d := l.Peek(c); d.Outcome == ginlimit.Denied && (i == 0 || d.Err == nil && d.Source == ginlimit.FromMemory) {
				marks++
			}
		}
	})
	gintest.Request(seen, "GET", "/x", gintest.Alice)
	text := fmt.Sprint(statuses, " ", observed, " ", marks)
	for _, code := range p.log.Codes() {
		if code != "GL5" {
			text += " " + code
		}
	}
	return text
}

// pairs says for each outer and inner limiter, with Redis there and away: the statuses of two requests, how often each was
// observed, the marks alive afterwards, and whether GL3 is said.
var pairs = map[string]struct{ there, away string }{
	"normal, normal":         {"[200 429] [1 1] 1 GL3", "[200 429] [1 1] 1 GL3"},
	"normal, dry run":        {"[200 429] [2 1] 1", "[200 429] [2 1] 1"},
	"normal, FailOpen":       {"[200 429] [1 1] 1", "[200 429] [1 1] 1"},
	"normal, FailClosed":     {"[200 429] [1 1] 1", "[503 429] [2 1] 1"},
	"normal, refund":         {"[200 200] [1 1] 0", "[200 200] [1 1] 0"},
	"normal, memory":         {"[200 429] [2 1] 2", "[200 429] [2 1] 2"},
	"dry run, normal":        {"[200 429] [2 2] 1", "[200 429] [2 2] 1"},
	"dry run, dry run":       {"[200 200] [1 1] 1 GL3", "[200 200] [1 1] 1 GL3"},
	"dry run, FailOpen":      {"[200 429] [2 2] 1", "[200 200] [2 2] 1"},
	"dry run, FailClosed":    {"[200 429] [2 2] 1", "[503 503] [2 2] 1"},
	"dry run, refund":        {"[200 200] [2 2] 0", "[200 200] [2 2] 0"},
	"dry run, memory":        {"[200 429] [2 2] 2", "[200 429] [2 2] 2"},
	"FailOpen, normal":       {"[200 429] [1 1] 1", "[200 429] [1 2] 1"},
	"FailOpen, dry run":      {"[200 429] [2 1] 1", "[200 200] [2 2] 1"},
	"FailOpen, FailOpen":     {"[200 429] [1 1] 1 GL3", "[200 200] [1 1] 0 GL3"},
	"FailOpen, FailClosed":   {"[200 429] [1 1] 1", "[503 503] [2 2] 0"},
	"FailOpen, refund":       {"[200 200] [1 1] 0", "[200 200] [1 1] 0"},
	"FailOpen, memory":       {"[200 429] [2 1] 2", "[200 429] [2 2] 1"},
	"FailClosed, normal":     {"[200 429] [1 1] 1", "[503 503] [1 1] 0"},
	"FailClosed, dry run":    {"[200 429] [2 1] 1", "[503 503] [1 1] 0"},
	"FailClosed, FailOpen":   {"[200 429] [1 1] 1", "[503 503] [1 1] 0"},
	"FailClosed, FailClosed": {"[200 429] [1 1] 1 GL3", "[503 503] [1 1] 0"},
	"FailClosed, refund":     {"[200 200] [1 1] 0", "[503 503] [1 1] 0"},
	"FailClosed, memory":     {"[200 429] [2 1] 2", "[503 503] [1 1] 0"},
	"refund, normal":         {"[200 200] [1 1] 0", "[200 200] [1 1] 0"},
	"refund, dry run":        {"[200 200] [2 2] 0", "[200 200] [2 2] 0"},
	"refund, FailOpen":       {"[200 200] [1 1] 0", "[200 200] [1 1] 0"},
	"refund, FailClosed":     {"[200 200] [1 1] 0", "[503 503] [2 2] 0"},
	"refund, refund":         {"[200 200] [1 1] 0 GL3", "[200 200] [1 1] 0 GL3"},
	"refund, memory":         {"[200 429] [2 2] 1", "[200 429] [2 2] 1"},
	"memory, normal":         {"[200 429] [2 1] 2", "[200 429] [2 1] 2"},
	"memory, dry run":        {"[200 429] [2 1] 2", "[200 429] [2 1] 2"},
	"memory, FailOpen":       {"[200 429] [2 1] 2", "[200 429] [2 1] 1"},
	"memory, FailClosed":     {"[200 429] [2 1] 2", "[503 429] [2 1] 1"},
	"memory, refund":         {"[200 429] [2 1] 1", "[200 429] [2 1] 1"},
	"memory, memory":         {"[200 429] [2 1] 2", "[200 429] [2 1] 2"},
}

// TestPairs holds that the same marks are taken once, and that each limiter gives the verdict its own consequence. What is in
// memory has marks of its own.
func TestPairs(t *testing.T) {
	server := redistest.Start(t)
	refused := redistest.NewProxy(t, server.Addr())
	refused.Refuse()
	for name, want := range pairs {
		t.Run(name, func(t *testing.T) {
			outer, inner, _ := strings.Cut(name, ", ")
			require.NoError(t, server.Client().FlushAll(t.Context()).Err())
			there := redistest.Dial(t, server.Addr())
			assert.Equal(t, want.there, newPair(there, outer, inner).twice(there), "Redis is there")
			away := redis.NewClient(&redis.Options{Addr: refused.Addr(), DialerRetries: 1})
			defer away.Close()
			assert.Equal(t, want.away, newPair(away, outer, inner).twice(away), "Redis is away")
		})
	}
}

func TestEveryPairIsInTheTable(t *testing.T) {
	kinds := []string{"normal", "dry run", "FailOpen", "FailClosed", "refund", "memory"}
	var all []string
	for _, outer := range kinds {
		for _, inner := range kinds {
			all = append(all, outer+", "+inner)
		}
	}
	assert.ElementsMatch(t, all, slices.Collect(maps.Keys(pairs)))
}
