package line

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// A topology knows which of several servers has a key. That only chooses the queue: the client itself sends the commands, so
// that redirections and hooks hold.
type topology struct {
	line    *Line
	serving func(context.Context) ([]*redis.Client, error) // which servers serve keys, asked anew
	having  func(key string) (*redis.Client, error)        // which of them has a key, without asking
	changed func() bool                                    // keys have gone to other servers

	known  atomic.Pointer[map[*redis.Client]*Node] // that serve keys; nil until that was asked
	asking atomic.Bool

	mu  sync.Mutex
	all map[*redis.Client]*Node // that ever did
}

func clusterOf(l *Line, c *redis.ClusterClient) *topology {
	return &topology{
		line: l, all: map[*redis.Client]*Node{},
		serving: func(ctx context.Context) (masters []*redis.Client, err error) {
			var mu sync.Mutex
			err = c.ForEachMaster(ctx, func(_ context.Context, master *redis.Client) error {
				mu.Lock()
				defer mu.Unlock()
				masters = append(masters, master)
				return nil
			})
			return masters, err
		},
		having:  func(key string) (*redis.Client, error) { return c.MasterForKey(context.Background(), key) },
		changed: func() bool { return false },
	}
}

func ringOf(l *Line, r *redis.Ring) *topology {
	var shards atomic.Int64
	shards.Store(int64(r.Len()))
	return &topology{
		line: l, all: map[*redis.Client]*Node{},
		serving: func(context.Context) ([]*redis.Client, error) { return r.GetShardClients(), nil },
		having:  r.GetShardClientForKey,
		changed: func() bool {
			n := int64(r.Len())
			return shards.Load() != n && shards.Swap(n) != n
		},
	}
}

// nodeOf returns a key's node, or nil while the nodes aren't known.
func (t *topology) nodeOf(key string) *Node {
	known := t.known.Load()
	if known == nil {
		return nil
	}
	if t.changed() {
		t.line.lose()
	}
	client, err := t.having(key)
	if err != nil {
		return nil
	}
	if n := (*known)[client]; n != nil {
		return n
	}
	return t.meet(client)
}

// meet makes a server known that has got keys of others.
func (t *topology) meet(client *redis.Client) *Node {
	var clients []*redis.Client
	for other := range *t.known.Load() {
		clients = append(clients, other)
	}
	t.set(append(clients, client))
	if !t.asking.Swap(true) {
		go func() { // to know who serves no longer: who comes back is new
			defer t.asking.Store(false)
			_ = t.ask(&limited{t.line.deadlines.in(timeToConnect), context.Background()})
		}()
	}
	return (*t.known.Load())[client]
}

// load asks who serves keys, the first time.
func (t *topology) load(ctx context.Context) error {
	if t.known.Load() != nil {
		return nil
	}
	return t.ask(ctx)
}

func (t *topology) ask(ctx context.Context) error {
	serving, err := t.serving(ctx)
	if err == nil {
		t.set(serving)
	}
	return err
}

// set says who serves keys now. A server that didn't before may not have the marks of its keys.
func (t *topology) set(clients []*redis.Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, now := t.known.Load(), map[*redis.Client]*Node{}
	for _, client := range clients {
		if t.all[client] == nil {
			t.all[client] = newNode(t.line, client)
		}
		now[client] = t.all[client]
	}
	isNew := func(client *redis.Client) bool { return before != nil && (*before)[client] == nil }
	if slices.ContainsFunc(clients, isNew) {
		t.line.lose()
	}
	t.known.Store(&now)
}
