package redistest

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

func (c *Cluster) nodeAt(addr string) *Server {
	c.tb.Helper()
	for _, node := range c.Nodes {
		if node.Addr() == addr {
			return node
		}
	}
	c.tb.Fatalf("the cluster names a node %s that is not part of it", addr)
	return nil
}

// agreed reports whether every node sees all nodes and all slots served.
func (c *Cluster) agreed() bool {
	count := strconv.Itoa(len(c.Nodes))
	for _, node := range c.Nodes {
		info := node.admin.ClusterInfo(context.Background()).Val()
		nodes := node.admin.ClusterNodes(context.Background()).Val()
		settled := strings.Contains(info, "cluster_state:ok\r\n") &&
			strings.Contains(info, "cluster_slots_ok:16384\r\n") &&
			strings.Contains(info, "cluster_known_nodes:"+count+"\r\n") &&
			strings.Contains(info, "cluster_size:"+count+"\r\n") &&
			!strings.Contains(nodes, "handshake") &&
			!strings.Contains(nodes, "disconnected")
		if !settled {
			return false
		}
	}
	return true
}

// ask puts a question to the nodes in turn until one that is up answers.
func (c *Cluster) ask(what string, question func(node *redis.Client) error) {
	c.tb.Helper()
	var err error
	for _, node := range c.Nodes {
		if err = question(node.admin); err == nil {
			return
		}
	}
	c.tb.Fatalf("no cluster node could be asked for %s: %v", what, err)
}

// must runs a command on a node.
func (c *Cluster) must(node *Server, command ...any) string {
	c.tb.Helper()
	reply, err := node.admin.Do(context.Background(), command...).Text()
	if err != nil {
		c.tb.Fatalf("cluster node %s refused %v: %v", node.Addr(), command, err)
	}
	return reply
}
