package redistest

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestFailoverSwapsTheServers(t *testing.T) {
	CheckGoroutines(t)
	s := StartSentinels(t)
	require.Len(t, s.Addrs(), 3)
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:    s.MasterName(),
		SentinelAddrs: s.Addrs(),
	})
	defer client.Close()
	primary, replica := s.Primary(), s.Replica()
	require.NotSame(t, primary, replica)
	require.NoError(t, client.Set(ctx, "before", "1", 0).Err())
	waitUntil(t, "the replica has the key", func() bool {
		return replica.admin.Get(ctx, "before").Val() == "1"
	})

	s.Failover()
	require.Same(t, replica, s.Primary())
	require.Same(t, primary, s.Replica())
	require.NoError(t, replica.Client().Set(ctx, "after", "1", 0).Err())
	waitUntil(t, "a failover client has followed", func() bool {
		return client.Get(ctx, "after").Val() == "1"
	})
}

func TestSentinelsReplaceADeadPrimary(t *testing.T) {
	s := StartSentinels(t)
	primary, replica := s.Primary(), s.Replica()
	primary.Kill()
	waitUntil(t, "the replica was promoted", func() bool { return s.allName(replica) })
	require.Same(t, replica, s.Primary())
}
