package redistest

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func TestClusterServesAllSlots(t *testing.T) {
	CheckGoroutines(t)
	c := StartCluster(t, 3)
	require.Len(t, c.Addrs(), 3)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()})
	defer client.Close()

	owners := map[*Server]bool{}
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		require.NoError(t, client.Set(ctx, key, key, 0).Err())
		owner := c.NodeFor(key)
		owners[owner] = true
		require.Equal(t, key, owner.Client().Get(ctx, key).Val())
	}
	require.Len(t, owners, 3)
}

func TestMigrateSlotRedirects(t *testing.T) {
	c := StartCluster(t, 2)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()})
	defer client.Close()
	require.NoError(t, client.Set(ctx, "{tag}1", "one", 0).Err())
	require.NoError(t, client.Set(ctx, "{tag}2", "two", 0).Err())

	from := c.NodeFor("{tag}1")
	to := c.Nodes[0]
	if to == from {
		to = c.Nodes[1]
	}
	direct := from.Client()
	during := false
	c.MigrateSlot(c.Slot("{tag}1"), from, to, func() {
		during = true
		require.ErrorContains(t, direct.Get(ctx, "{tag}1").Err(), "ASK ")
		require.Equal(t, "two", client.Get(ctx, "{tag}2").Val())
		require.NoError(t, client.Set(ctx, "{tag}3", "three", 0).Err())
	})
	require.True(t, during)

	require.Same(t, to, c.NodeFor("{tag}1"))
	require.ErrorContains(t, direct.Get(ctx, "{tag}1").Err(), "MOVED ")
	require.Equal(t, "one", client.Get(ctx, "{tag}1").Val())
	require.Equal(t, "three", to.Client().Get(ctx, "{tag}3").Val())
}

func TestSlotMovedInPartAnswersTryAgain(t *testing.T) {
	c := StartCluster(t, 2)
	from := c.NodeFor("{tag}1")
	to := c.Nodes[0]
	if to == from {
		to = c.Nodes[1]
	}
	direct := from.Client()
	require.NoError(t, direct.MSet(ctx, "{tag}1", "one", "{tag}2", "two").Err())

	slot := c.Slot("{tag}1")
	c.OpenSlot(slot, from, to)
	c.MoveKeys(slot, from, to, "{tag}1")
	require.ErrorContains(t, direct.Do(ctx, "mget", "{tag}1", "{tag}2").Err(), "TRYAGAIN")
	require.Equal(t, "two", direct.Get(ctx, "{tag}2").Val())
	c.CloseSlot(slot, from, to)
	require.Equal(t, "two", to.Client().Get(ctx, "{tag}2").Val())
}

func TestClusterServesTheRestWhenANodeIsDown(t *testing.T) {
	c := StartCluster(t, 3)
	down := c.Nodes[0]
	down.Kill()
	require.NotNil(t, c.NodeFor("a")) // answered by a node that is up

	down.Restart()
	waitUntil(t, "the restarted node is back in the cluster", c.agreed)
}
