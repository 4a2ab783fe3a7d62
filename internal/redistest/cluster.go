package redistest

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
)

const slotCount = 16384

// Cluster is a Redis Cluster of masters without replicas. It keeps serving the
// slots it can when a node is down.
type Cluster struct {
	Nodes []*Server

	tb testing.TB
}

// StartCluster runs a cluster of that many masters, the slots spread evenly over
// them in order, and returns when every node knows all of it.
func StartCluster(tb testing.TB, masters int) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb}
	for range masters {
		c.Nodes = append(c.Nodes, Start(tb,
			"--cluster-enabled", "yes",
			"--cluster-node-timeout", "1500",
			"--cluster-require-full-coverage", "no",
			"--cluster-announce-ip", "127.0.0.1",
		))
	}
	for i, node := range c.Nodes {
		// Distinct epochs, or the nodes would first have to sort out collisions.
		c.must(node, "cluster", "set-config-epoch", i+1)
		c.must(node, "cluster", "addslotsrange", i*slotCount/masters, (i+1)*slotCount/masters-1)
	}
	for _, node := range c.Nodes[1:] {
		c.must(c.Nodes[0], "cluster", "meet", "127.0.0.1", node.port)
	}
	waitUntil(tb, "all cluster nodes know each other", c.agreed)
	return c
}

// Addrs returns the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, node := range c.Nodes {
		addrs = append(addrs, node.Addr())
	}
	return addrs
}

// Slot returns the hash slot of a key.
func (c *Cluster) Slot(key string) int {
	c.tb.Helper()
	var slot int64
	c.ask("the slot of a key", func(node *redis.Client) (err error) {
		slot, err = node.ClusterKeySlot(context.Background(), key).Result()
		return err
	})
	return int(slot)
}

// NodeFor returns the node that owns the slot of a key.
func (c *Cluster) NodeFor(key string) *Server {
	c.tb.Helper()
	slot := c.Slot(key)
	var ranges []redis.ClusterSlot
	c.ask("the owners of the slots", func(node *redis.Client) (err error) {
		ranges, err = node.ClusterSlots(context.Background()).Result()
		return err
	})
	for _, r := range ranges {
		if r.Start <= slot && slot <= r.End {
			return c.nodeAt(r.Nodes[0].Addr)
		}
	}
	c.tb.Fatalf("no cluster node owns slot %d", slot)
	return nil
}
