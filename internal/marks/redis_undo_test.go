package marks

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

func TestUndoTakesNobodyElsesMark(t *testing.T) {
	client := redistest.Start(t).Client()
	for _, limit := range []int64{1, 2, 127, 128, 1000} {
		s := storeIn(client, Policy{Limit: limit, Interval: time.Minute})
		key := fmt.Sprint(limit)
		all, mine := markOf(key, limit, max(1, limit-1)), markOf(key, limit, 1)
		require.True(t, s.take(all).Held)
		require.Equal(t, limit > 1, s.take(mine).Held)
		refused := markOf(key, limit, 1)
		require.Equal(t, Refused, s.take(refused).Answer)
		for _, m := range []*Mark{refused, markOf(key, limit, 1)} {
			require.NoError(t, s.undo(m))
			require.Equal(t, Refused, s.take(markOf(key, limit, 1)).Answer, "nothing was taken back")
		}
		require.NoError(t, s.undo(all))
		require.NoError(t, s.undo(all))
		assert.Equal(t, max(0, limit-2), s.take(markOf(key, limit, 1)).Remaining)
	}
}

func TestUndoAfterDELTakesNobodyElsesMark(t *testing.T) {
	client := redistest.Start(t).Client()
	for _, limit := range []int64{1, 2, 1000} {
		c := newClocked(t, client)
		r := newRedisMarks(Policy{Limit: limit, Interval: time.Minute})
		before, other := markOf("key", limit, 1), markOf("key", limit, 1)
		c.takes(r, before)
		c.takes(r, other)
		require.NoError(t, client.Del(t.Context(), "key").Err())
		c.now++
		if limit == 1 {
			require.True(t, c.takes(r, markOf("key", limit, 1)).Held)
		} else {
			again := *before
			require.Equal(t, limit-1, c.takes(r, &again).Remaining, "sent again, the mark starts a list anew")
		}
		c.undoes(r, other)
		if limit > 2 {
			c.undoes(r, before)
		}
		require.Equal(t, max(0, limit-2), c.takes(r, markOf("key", limit, 1)).Remaining)
		require.NoError(t, client.Del(t.Context(), "key").Err())
		c.undoes(r, other)
		require.Zero(t, client.Exists(t.Context(), "key").Val())
	}
}

// A failover can lose the last writes. What is undone then was in a group that is unknown, or holds less.
func TestUndoAfterAFailoverTakesNobodyElsesMark(t *testing.T) {
	client := redistest.Start(t).Client()
	c := newClocked(t, client)
	r := newRedisMarks(Policy{Limit: 1000, Interval: 128 * time.Second})
	m := markOf("key", 1000, 1)
	c.takes(r, m)
	replica := client.Dump(t.Context(), "key").Val()
	for _, later := range []int64{0, 1000, 2000, 3000} {
		c.now += later
		lost := markOf("key", 1000, 2)
		require.Equal(t, int64(997), c.takes(r, lost).Remaining)
		client.RestoreReplace(t.Context(), "key", 0, replica)
		c.undoes(r, lost)
		require.Equal(t, int64(998), c.looks(r, markOf("key", 1000, 1)).Remaining, "one is alive, and one would be")
	}
}

func TestALostReplyNeitherDeniesNorCostsASecondMark(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	for _, limit := range []int64{1, 3, 1000} {
		s := storeIn(client, Policy{Limit: limit, Interval: time.Minute})
		require.NoError(t, s.take(markOf("warm up", limit, 1)).Err) // connects, and makes the script known
		require.NoError(t, s.undo(markOf("warm up", limit, 1)))
		m := markOf(fmt.Sprint(limit), limit, 1)
		proxy.CutNextReply()
		v := s.take(m)
		require.NoError(t, v.Err)
		assert.True(t, v.Held)
		assert.Equal(t, limit-1, v.Remaining)
		if limit > 1 {
			assert.Equal(t, limit-2, s.take(markOf(m.Key, limit, 1)).Remaining)
		} else {
			assert.False(t, s.take(markOf(m.Key, limit, 1)).Held)
		}
		proxy.CutNextReply()
		err := s.undo(m)
		if limit > MostSingle {
			require.Error(t, err, "sent once: what it did isn't known")
		} else {
			require.NoError(t, err, "taken back, though the first reply was lost")
		}
		require.NoError(t, server.Client().Del(t.Context(), "warm up").Err())
	}
}

// A wrapper is a client whose commands can only go through its methods.
type wrapper struct{ redis.Cmdable }

func TestMarksGoThroughTheMethodsOfAForeignClient(t *testing.T) {
	server := redistest.Start(t)
	paths(t, server.Client(), &wrapper{server.Client()})
}
