package marks

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// A script's first write is one that a Redis without memory refuses: the second would go through, and half of a mark be left.
func TestAFullRedisLeavesNoMarks(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	const interval = time.Minute
	ms := interval.Milliseconds()
	for _, limit := range []int64{1, 3, 127, 128, 1000} {
		for name, before := range map[string]func(c *clocked, r *redisMarks, key string){
			"new":  func(*clocked, *redisMarks, string) {},
			"used": func(c *clocked, r *redisMarks, key string) { c.takes(r, markOf(key, limit, 1)) },
			"all have ended": func(c *clocked, r *redisMarks, key string) {
				c.takes(r, markOf(key, limit, 1))
				c.now += ms + 1
			},
			"some have ended": func(c *clocked, r *redisMarks, key string) {
				c.takes(r, markOf(key, limit, 1))
				c.now += ms / 2
				c.takes(r, markOf(key, limit, 1))
				c.now += ms/2 + 1
			},
			"the group has ended": func(c *clocked, r *redisMarks, key string) {
				c.takes(r, markOf(key, limit, 1))
				c.now += ms / 2
			},
			"a slower clock": func(c *clocked, r *redisMarks, key string) {
				c.takes(r, markOf(key, limit, 1))
				c.now -= ms / 2
			},
		} {
			key := fmt.Sprint(limit, name)
			c := newClocked(t, admin)
			r := newRedisMarks(Policy{Limit: limit, Interval: interval})
			if limit == 1 && name != "new" {
				continue // only Redis's own clock ends a string
			}
			before(c, r, key)
			was := admin.Dump(t.Context(), key).Val()
			require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "1").Err())
			v, _ := r.take(t.Context(), c, markOf(key, limit, 1), Terms{Wait: patient})
			require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "0").Err())
			assert.ErrorContains(t, v.Err, "OOM", key)
			assert.Equal(t, Unanswered, v.Answer)
			assert.Equal(t, was, admin.Dump(t.Context(), key).Val(), "%s: nothing has changed", key)
		}
	}
}

func TestAFullRedisStillTellsWhoIsDenied(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	for _, limit := range []int64{2, 128} {
		s := storeIn(admin, Policy{Limit: limit, Interval: time.Minute})
		require.True(t, s.take(markOf(fmt.Sprint(limit), limit, limit)).Held)
		require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "1").Err())
		assert.Equal(t, Refused, s.take(markOf(fmt.Sprint(limit), limit, 1)).Answer)
		assert.Equal(t, Refused, s.peek(markOf(fmt.Sprint(limit), limit, 1)).Answer)
		require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "0").Err())
	}
}

func TestAFullRedisTakesMarksBack(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	for _, limit := range []int64{1, 2, 128} {
		s := storeIn(admin, Policy{Limit: limit, Interval: time.Minute})
		key := fmt.Sprint(limit)
		m := markOf(key, limit, limit)
		require.True(t, s.take(m).Held)
		require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "1").Err())
		assert.NoError(t, s.undo(m))
		require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "0").Err())
		assert.True(t, s.take(markOf(key, limit, limit)).Held)
	}
}
