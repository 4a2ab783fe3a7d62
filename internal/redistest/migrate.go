package redistest

import "context"

// MigrateSlot moves a slot with its keys from one node to another while the
// cluster is in use. During is called when the keys have moved but the slot has
// not: the old node then answers ASK for each of them.
func (c *Cluster) MigrateSlot(slot int, from, to *Server, during func()) {
	c.tb.Helper()
	c.OpenSlot(slot, from, to)
	c.MoveKeys(slot, from, to)
	during()
	c.CloseSlot(slot, from, to)
}

// OpenSlot begins to migrate a slot. From now on the old node serves the keys it
// still has and answers ASK for all others.
func (c *Cluster) OpenSlot(slot int, from, to *Server) {
	c.tb.Helper()
	c.must(to, "cluster", "setslot", slot, "importing", c.id(from))
	c.must(from, "cluster", "setslot", slot, "migrating", c.id(to))
}

// MoveKeys moves the keys of an open slot: the named ones, or all of them if
// none is named. A slot moved in part makes commands on several keys answer
// TRYAGAIN.
func (c *Cluster) MoveKeys(slot int, from, to *Server, keys ...string) {
	c.tb.Helper()
	if len(keys) == 0 {
		var err error
		keys, err = from.admin.ClusterGetKeysInSlot(context.Background(), slot, 1_000_000).Result()
		if err != nil {
			c.tb.Fatalf("cannot list the keys in slot %d of %s: %v", slot, from.Addr(), err)
		}
	}
	for _, key := range keys {
		c.must(from, "migrate", "127.0.0.1", to.port, key, 0, adminTimeout.Milliseconds())
	}
}

// CloseSlot ends the migration of a slot: its last keys are moved and all nodes
// are told of the new owner. From now on the old node answers MOVED.
func (c *Cluster) CloseSlot(slot int, from, to *Server) {
	c.tb.Helper()
	c.MoveKeys(slot, from, to)
	owner := c.id(to)
	// The new owner first: it must claim the slot before the old one lets go.
	c.must(to, "cluster", "setslot", slot, "node", owner)
	for _, node := range c.Nodes {
		c.must(node, "cluster", "setslot", slot, "node", owner)
	}
}

func (c *Cluster) id(node *Server) string {
	c.tb.Helper()
	return c.must(node, "cluster", "myid")
}
