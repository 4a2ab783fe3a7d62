package test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

func newCluster(t *testing.T, cluster *redistest.Cluster, honours bool) *redis.ClusterClient {
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs(), ContextTimeoutEnabled: honours})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestAClustersMastersShareTheMarks(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	for _, limit := range []int{1, 3} {
		var first, second *gin.Engine // processes
		for _, r := range []**gin.Engine{&first, &second} {
			*r = Router()
			(*r).GET("/x", New(Quiet, Patient, WithRedis(newCluster(t, cluster, true)), WithLimit(limit), WithInterval(time.Hour)), OK)
		}
		for client := range 60 {
			from := fmt.Sprintf("10.0.0.%d:1", client)
			for i := range limit {
				require.Equal(t, 200, Request([]*gin.Engine{first, second}[i%2], "GET", "/x", from).Code)
			}
			require.Equal(t, 429, Request(first, "GET", "/x", from).Code)
			require.Equal(t, 429, Request(second, "GET", "/x", from).Code)
		}
		for _, node := range cluster.Nodes {
			keys := node.Client().Keys(t.Context(), fmt.Sprintf("ginlimit:%d/*", limit)).Val()
			assert.Greater(t, len(keys), 5, "on each master")
		}
	}
}

// TestAReshardingSlotLosesAndDeniesNobody moves a slot to and fro under the traffic of three processes: each client comes
// to all of them, and one request of it is allowed.
func TestAReshardingSlotLosesAndDeniesNobody(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	const oneSlot = "{slot}" // what a cluster's slot is made of, if it is in a key
	identity := WithIdentity(func(c *gin.Context) string { return oneSlot + c.GetHeader("X-Client") })
	for _, limit := range []int{1, 2} {
		var failed atomic.Pointer[error]
		observe := WithObserver(func(_ *gin.Context, d Decision) {
			if d.Err != nil {
				failed.Store(&d.Err)
			}
		})
		var routers []*gin.Engine
		for _, honours := range []bool{true, true, false} {
			r := Router()
			r.GET("/x", New(Quiet, Patient, WithRedis(newCluster(t, cluster, honours)), WithLimit(limit), WithInterval(time.Hour),
				identity, observe), OK)
			routers = append(routers, r)
		}
		var next atomic.Int64
		done := make(chan struct{})
		var senders sync.WaitGroup
		for range 6 {
			senders.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(5 * time.Millisecond):
					}
					client := fmt.Sprint(next.Add(1))
					var allowed atomic.Int64
					var all sync.WaitGroup
					for i := range 2 * len(routers) {
						all.Go(func() {
							if Request(routers[i%len(routers)], "GET", "/x", Alice, "X-Client", client).Code == 200 {
								allowed.Add(1)
							}
						})
					}
					all.Wait()
					if !assert.EqualValues(t, limit, allowed.Load(), "client %s", client) {
						return
					}
				}
			})
		}
		reshard(cluster, oneSlot)
		close(done)
		senders.Wait()
		if err := failed.Load(); err != nil {
			t.Errorf("Redis did not decide all along: %v", *err)
		}
		t.Logf("limit %d: %d clients", limit, next.Load())
	}
	for _, reply := range []string{"ASK", "MOVED"} {
		assert.Positive(t, errorReplies(cluster, reply), "the traffic met %s", reply)
	}
}

func reshard(cluster *redistest.Cluster, key string) {
	slot := cluster.Slot(key)
	from := cluster.NodeFor(key)
	for i := range 4 {
		to := cluster.Nodes[i%len(cluster.Nodes)]
		if to == from {
			continue
		}
		cluster.OpenSlot(slot, from, to)
		time.Sleep(200 * time.Millisecond) // of traffic
		cluster.MoveKeys(slot, from, to)
		time.Sleep(200 * time.Millisecond)
		cluster.CloseSlot(slot, from, to)
		time.Sleep(200 * time.Millisecond)
		from = to
	}
}

// errorReplies is how often the nodes have answered with an error.
func errorReplies(cluster *redistest.Cluster, name string) (n int) {
	for _, node := range cluster.Nodes {
		for line := range strings.Lines(node.Client().Info(context.Background(), "errorstats").Val()) {
			var count int
			if _, err := fmt.Sscanf(line, "errorstat_"+name+":count=%d", &count); err == nil {
				n += count
			}
		}
	}
	return n
}
