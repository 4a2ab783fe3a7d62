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

// paths are all the commands that marks need.
func paths(t *testing.T, admin *redis.Client, client redis.Cmdable) {
	ctx := t.Context()
	for _, limit := range []int64{1, 2, 127, 128, 1000} {
		interval := time.Minute
		s := storeIn(client, Policy{Limit: limit, Interval: interval})
		key := fmt.Sprint("ginlimit:", limit)
		first := markOf(key, limit, limit)
		require.NoError(t, s.peek(markOf(key, limit, 1)).Err)
		require.NoError(t, s.take(first).Err)
		require.NoError(t, s.take(markOf(key, limit, 1)).Err)
		require.NoError(t, s.peek(markOf(key, limit, 1)).Err)
		require.NoError(t, s.undo(first))
		require.NoError(t, s.take(markOf(key, limit, 1)).Err)
		switch {
		case limit == 1:
			require.NoError(t, admin.Persist(ctx, key).Err())
			require.Equal(t, Refused, s.take(markOf(key, limit, 1)).Answer)
			require.Eventually(t, func() bool { return admin.PTTL(ctx, key).Val() > 0 }, patient, time.Millisecond, "mended")
		case limit <= MostSingle:
			require.NoError(t, admin.ZAdd(ctx, key, redis.Z{Score: 9e15, Member: "far"}, redis.Z{Score: 1, Member: "ended"}).Err())
			require.NoError(t, s.take(markOf(key, limit, 1)).Err)
			require.NoError(t, admin.ZRem(ctx, key, "far").Err())
			require.NoError(t, s.take(markOf(key, limit, 1)).Err)
		}
		require.NoError(t, s.redisMarks.forget(ctx, s.line.Node(key), markOf(key, limit, 1), Terms{Wait: patient}))
		require.Zero(t, admin.Exists(ctx, key).Val())
	}
	s := storeIn(client, Policy{Limit: 1000, Interval: 256 * time.Millisecond})
	var marks []*Mark
	for start := time.Now(); time.Since(start) < 600*time.Millisecond || len(marks) < 100; { // groups close and end
		m := markOf("ginlimit:groups", 1000, 1)
		require.NoError(t, s.take(m).Err)
		if marks = append(marks, m); len(marks) > 30 { // in a group that has closed
			require.NoError(t, s.undo(marks[len(marks)-30]))
		}
	}
}

// theACL is what the README tells users to allow. INFO tells a server that was started anew.
const theACL = "~ginlimit:* -@all +set +getex +pttl +pexpire +pexpireat +del +get +evalsha +eval +time +info" +
	" +zadd +zcard +zcount +zrange +zrangebyscore +zrem +zremrangebyscore +zscore" +
	" +lindex +lset +ltrim +rpush"

func TestTheACLIsEnoughAndNoneTooMany(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	rules := append([]any{"acl", "setuser", "app", "reset", "on", ">secret"}, words(theACL)...)
	require.NoError(t, admin.Do(t.Context(), rules...).Err())
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Username: "app", Password: "secret", Protocol: 2})
	t.Cleanup(func() { _ = client.Close() })
	server.ResetStats()
	require.NoError(t, admin.ACLLogReset(t.Context()).Err())
	paths(t, admin, client)
	log, err := admin.ACLLog(t.Context(), 100).Result()
	require.NoError(t, err)
	for _, entry := range log {
		assert.Contains(t, []string{"client|setinfo", "client", "hello"}, entry.Object, "refused")
	}
	for _, word := range words(theACL)[2:] {
		assert.Positive(t, server.Calls(word.(string)[1:]), "%s is never needed", word)
	}
}
