package ginlimit

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slow grants everything, when it is let go on, and counts what runs at once.
type slow struct {
	goOn    chan struct{}
	running atomic.Int64
	most    atomic.Int64
	granted atomic.Int64
}

func (s *slow) take(ctx context.Context, _ mark) verdict {
	n := s.running.Add(1)
	defer s.running.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	select {
	case <-s.goOn:
		s.granted.Add(1)
		return granted(0, time.Second, Redis)
	case <-ctx.Done():
		return verdict{err: ctx.Err()}
	}
}

func (s *slow) undo(ctx context.Context, m mark) error { return s.take(ctx, m).err }

// TestNoMoreCommandsThanConnections also holds that whoever waits for a connection does so within the deadline.
func TestNoMoreCommandsThanConnections(t *testing.T) {
	const connections, requests = 3, 20
	for name, honours := range map[string]bool{"direct": true, "beside": false} {
		client := redis.NewClient(&redis.Options{PoolSize: connections, ContextTimeoutEnabled: honours})
		defer client.Close()
		cfg := newConfig([]Option{quiet, WithRedis(client)})
		commands := map[string]func(store) error{
			"take": func(s store) error { return s.take(context.Background(), newMark("key")).err },
			"undo": func(s store) error { return s.undo(context.Background(), newMark("key")) },
		}
		for what, command := range commands {
			t.Run(name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					asked := &slow{goOn: make(chan struct{})}
					s := withinDeadline(cfg, &warnings{logger: cfg.logger}, asked)
					var failures atomic.Int64
					start := time.Now()
					var all sync.WaitGroup
					for range requests {
						all.Go(func() {
							if err := command(s); err != nil {
								assert.ErrorIs(t, err, context.DeadlineExceeded)
								failures.Add(1)
							}
						})
					}
					synctest.Wait()
					assert.EqualValues(t, connections, asked.running.Load())
					for range connections {
						asked.goOn <- struct{}{}
						synctest.Wait()
						assert.EqualValues(t, connections, asked.running.Load(), "the next one's turn")
					}
					all.Wait()
					assert.Equal(t, cfg.timeout, time.Since(start), "nobody waits for longer")
					assert.EqualValues(t, connections, asked.granted.Load())
					assert.EqualValues(t, requests-connections, failures.Load())
					assert.EqualValues(t, connections, asked.most.Load())

					close(asked.goOn)
					require.NoError(t, command(s), "every turn has ended")
					time.Sleep(cfg.timeout) // until then, a goroutine beside it waits for more; none may be left
				})
			})
		}
	}
}

func TestWhatHasNoPoolOfKnownSizeIsBoundedBesideOnly(t *testing.T) {
	cluster := redis.NewClusterClient(&redis.ClusterOptions{PoolSize: 3})
	defer cluster.Close()
	assert.Equal(t, 7, mostAtOnce(cluster, 7), "its pools are one per node")
	assert.Equal(t, 7, mostAtOnce(struct{ redis.Cmdable }{}, 7))
	w := &warnings{logger: discard}
	for honours, bound := range map[bool]int{true: unbounded, false: 1024} {
		cluster.Options().ContextTimeoutEnabled = honours
		switch s := withinDeadline(newConfig([]Option{WithRedis(cluster)}), w, nil).(type) {
		case *direct:
			assert.True(t, honours)
			assert.Equal(t, bound, cap(s.turns))
		case *beside:
			assert.False(t, honours)
			assert.Equal(t, bound, cap(s.turns))
		}
	}
}

// TestAnyCmdableServes: a client that a user has wrapped can't be asked for more than the commands, which may be its own.
func TestAnyCmdableServes(t *testing.T) {
	client := newClient(t, "localhost:0")
	client.AddHook(nowhere{})
	wrapped := &wrappedClient{Client: client}
	for _, client := range []redis.Cmdable{struct{ redis.Cmdable }{client}, wrapped} {
		cfg := newConfig([]Option{WithRedis(client)})
		assert.True(t, newRedisMarks(cfg).take(t.Context(), newMark("key")).held)
	}
	assert.Equal(t, "key", wrapped.set)
}

// wrappedClient has a SET of its own, as where keys are put under a prefix.
type wrappedClient struct {
	*redis.Client
	set string
}

func (w *wrappedClient) SetArgs(ctx context.Context, key string, value any, args redis.SetArgs) *redis.StatusCmd {
	w.set = key
	return w.Client.SetArgs(ctx, key, value, args)
}
