package marks

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/line"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

const patient = 10 * time.Second

// inRedis is a store of marks in a real Redis, without anything in front.
type inRedis struct {
	*redisMarks
	line *line.Line
}

func storeIn(client redis.Cmdable, p Policy) inRedis {
	return inRedis{newRedisMarks(p), line.Of(client)}
}

func markOf(key string, limit, cost int64) *Mark {
	return &Mark{Key: key, Hash: 1, Token: NewToken(), Asked: clock.Now(), Limit: limit, Cost: cost}
}

func (s inRedis) take(m *Mark) Verdict {
	v, _ := s.redisMarks.take(context.Background(), s.line.Node(m.Key), m, Terms{Wait: patient})
	return v
}

func (s inRedis) undo(m *Mark) error {
	return s.redisMarks.undo(context.Background(), s.line.Node(m.Key), m, Terms{Wait: patient})
}

func (s inRedis) peek(m *Mark) Verdict {
	return s.redisMarks.peek(context.Background(), s.line.Node(m.Key), m, Terms{Wait: patient})
}

func TestRedisSmoke(t *testing.T) {
	server := redistest.Start(t)
	for _, limit := range []int64{1, 2, 10, 127, 128, 1000} {
		p := Policy{Limit: limit, Interval: time.Minute}
		s := storeIn(server.Client(), p)
		key := fmt.Sprint("key", limit)
		var marks []*Mark
		for i := range limit {
			m := markOf(key, limit, 1)
			v := s.peek(m)
			require.NoError(t, v.Err)
			require.Equal(t, Granted, v.Answer)
			v = s.take(m)
			require.NoError(t, v.Err)
			require.Equal(t, limit-1-i, v.Remaining)
			require.True(t, v.Held)
			marks = append(marks, m)
		}
		require.Equal(t, Refused, s.peek(markOf(key, limit, 1)).Answer)
		v := s.take(markOf(key, limit, 1))
		require.NoError(t, v.Err)
		require.Equal(t, Refused, v.Answer)
		assert.InDelta(t, 60, v.Wait.Seconds(), 5)
		require.NoError(t, s.undo(markOf(key, limit, 1)))
		require.Equal(t, Refused, s.take(markOf(key, limit, 1)).Answer)
		require.NoError(t, s.undo(marks[0]))
		require.NoError(t, s.undo(marks[0]))
		require.True(t, s.take(markOf(key, limit, 1)).Held)
		require.Equal(t, Refused, s.take(markOf(key, limit, 1)).Answer)
		t.Log(limit, server.Client().MemoryUsage(t.Context(), key).Val())
	}
}
