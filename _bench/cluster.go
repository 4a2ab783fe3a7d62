package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"
)

const slots = 16384

// masters are a Redis Cluster without replicas.
type masters []*server

func startMasters(ctx context.Context, n int) (masters, error) {
	var c masters
	for i := range n {
		node, err := startServer(ctx, "--cluster-enabled", "yes")
		if err != nil {
			c.stop()
			return nil, err
		}
		c = append(c, node)
		err = errors.Join(
			// Distinct epochs, or the nodes would first have to sort out collisions.
			node.admin.Do(ctx, "cluster", "set-config-epoch", i+1).Err(),
			node.admin.ClusterAddSlotsRange(ctx, i*slots/n, (i+1)*slots/n-1).Err())
		if err != nil {
			c.stop()
			return nil, err
		}
	}
	if err := c.meet(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c masters) meet(ctx context.Context) error {
	for _, node := range c[1:] {
		host, port, _ := net.SplitHostPort(node.addr)
		if err := c[0].admin.ClusterMeet(ctx, host, port).Err(); err != nil {
			return err
		}
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if c.agreed(ctx) {
			return nil
		}
	}
	return errors.New("the cluster's nodes do not find each other")
}

func (c masters) agreed(ctx context.Context) bool {
	for _, node := range c {
		info := node.admin.ClusterInfo(ctx).Val()
		if !strings.Contains(info, "cluster_state:ok\r\n") || !strings.Contains(info, "cluster_slots_ok:16384\r\n") {
			return false
		}
	}
	return true
}

func (c masters) stop() {
	for _, node := range c {
		node.stop()
	}
}

func (c masters) addrs() []string {
	var addrs []string
	for _, node := range c {
		addrs = append(addrs, node.addr)
	}
	return addrs
}
