package line

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

func newCluster(t testing.TB, options redis.ClusterOptions) *redis.ClusterClient {
	client := redis.NewClusterClient(&options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestAClustersCommandsReachTheirNodes(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	for _, options := range []redis.ClusterOptions{
		{ContextTimeoutEnabled: true}, {}, {ReadOnly: true}, {RouteRandomly: true},
	} {
		options.Addrs = cluster.Addrs()
		l := Of(newCluster(t, options))
		var all sync.WaitGroup
		for i := range 300 {
			all.Go(func() {
				c := set(fmt.Sprint(options.ContextTimeoutEnabled, options.ReadOnly, options.RouteRandomly, i))
				if assert.NoError(t, do(l, c, patient)) {
					v, err := c.Commands[0].Reply()
					assert.NoError(t, err)
					assert.Equal(t, "OK", v)
				}
			})
		}
		all.Wait()
		assert.Len(t, *l.topology.known.Load(), 3)
		assert.Zero(t, l.Node("a").Unsure())
	}
}

func TestADeadNodeHoldsUpOnlyItsOwn(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	l := Of(newCluster(t, redis.ClusterOptions{Addrs: cluster.Addrs()}))
	for i := range 50 {
		require.NoError(t, do(l, set(fmt.Sprint("warm", i)), patient))
	}
	dead := cluster.Nodes[1]
	dead.Pause()
	var slow, fast atomic.Int64
	var all sync.WaitGroup
	for i := range 300 {
		key := fmt.Sprint("key", i)
		all.Go(func() {
			start := time.Now()
			err := do(l, set(key), timeout)
			if i%3 == 0 {
				time.Sleep(time.Millisecond)
			}
			switch {
			case err != nil:
				slow.Add(1)
			case time.Since(start) < margin:
				fast.Add(1)
			}
		})
	}
	all.Wait()
	t.Log(slow.Load(), "failed,", fast.Load(), "answered")
	assert.Greater(t, fast.Load(), int64(150))
	assert.Greater(t, slow.Load(), int64(50))
	dead.Resume()
}

func TestASlotThatMovesHasLostNothing(t *testing.T) {
	cluster := redistest.StartCluster(t, 2)
	l := Of(newCluster(t, redis.ClusterOptions{Addrs: cluster.Addrs()}))
	require.NoError(t, do(l, set("{tag}1"), patient))
	from := cluster.NodeFor("{tag}1")
	to := cluster.Nodes[0]
	if to == from {
		to = cluster.Nodes[1]
	}
	cluster.MigrateSlot(cluster.Slot("{tag}1"), from, to, func() {
		require.NoError(t, do(l, set("{tag}2"), patient))
	})
	for i := range 10 {
		require.NoError(t, do(l, set(fmt.Sprint("{tag}more", i)), patient))
	}
	assert.Zero(t, l.Node("{tag}1").Unsure())
}

func TestAClustersNodeThatWasRestartedHasLostItsMarks(t *testing.T) {
	cluster := redistest.StartCluster(t, 2)
	l := Of(newCluster(t, redis.ClusterOptions{Addrs: cluster.Addrs()}))
	require.NoError(t, do(l, set("a"), patient))
	require.NoError(t, do(l, set("b"), patient))
	node := cluster.NodeFor("a")
	node.Kill()
	node.Restart()
	require.Eventually(t, func() bool { return do(l, set("a"), timeout) == nil }, 15*time.Second, 10*time.Millisecond)
	assert.NotZero(t, l.Node("a").Unsure())
}

func TestAFailoverMayHaveLostMarks(t *testing.T) {
	for name, dial := range map[string]func(*redistest.Sentinels) redis.UniversalClient{
		"failover": func(s *redistest.Sentinels) redis.UniversalClient {
			return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: s.MasterName(), SentinelAddrs: s.Addrs()})
		},
		"failover cluster": func(s *redistest.Sentinels) redis.UniversalClient {
			return redis.NewFailoverClusterClient(&redis.FailoverOptions{
				MasterName: s.MasterName(), SentinelAddrs: s.Addrs(), RouteByLatency: true,
			})
		},
		"universal": func(s *redistest.Sentinels) redis.UniversalClient {
			return redis.NewUniversalClient(&redis.UniversalOptions{
				MasterName: s.MasterName(), Addrs: s.Addrs(), RouteByLatency: true, ContextTimeoutEnabled: true,
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			sentinels := redistest.StartSentinels(t)
			client := dial(sentinels)
			t.Cleanup(func() { _ = client.Close() })
			l := Of(client)
			require.NoError(t, do(l, set("a"), patient))
			require.NoError(t, do(l, set("b"), patient))
			require.Zero(t, l.Node("a").Unsure())
			sentinels.Failover()
			require.Eventually(t, func() bool {
				c := set("a")
				if do(l, c, patient) != nil {
					return false
				}
				_, err := c.Commands[0].Reply()
				return err == nil && sentinels.Primary().Calls("set") > 0
			}, 30*time.Second, 50*time.Millisecond)
			assert.NotZero(t, l.Node("a").Unsure())
		})
	}
}

func TestARingsShardThatIsGoneMayHaveLostMarks(t *testing.T) {
	one, other := redistest.Start(t), redistest.Start(t)
	ring := redis.NewRing(&redis.RingOptions{
		Addrs: map[string]string{"one": one.Addr(), "other": other.Addr()}, HeartbeatFrequency: 50 * time.Millisecond,
	})
	t.Cleanup(func() { _ = ring.Close() })
	l := Of(ring)
	for i := range 20 {
		require.NoError(t, do(l, set(fmt.Sprint(i)), patient))
	}
	require.Zero(t, l.Node("0").Unsure())
	one.Kill()
	require.Eventually(t, func() bool { return ring.Len() == 1 }, patient, 10*time.Millisecond)
	for i := range 20 { // no command fails
		require.NoError(t, do(l, set(fmt.Sprint(i)), patient))
	}
	assert.NotZero(t, l.Node("0").Unsure())
}
