package line

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

func set(key string) *Call {
	return &Call{Key: key, Commands: []*Command{NewCommand("set", key, 1, "px", int64(60000), "nx")}}
}

func BenchmarkAtOnce(b *testing.B) {
	server := redistest.Start(b)
	for _, honours := range []bool{true, false} {
		for _, atOnce := range []int{1, 8, 32, 64, 256} {
			client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: honours, PoolSize: 256})
			l := Of(client)
			for name, do := range map[string]func(string) error{
				"setnx": func(key string) error { return client.SetNX(context.Background(), key, 1, time.Minute).Err() },
				"line": func(key string) error {
					return l.Node(key).Do(context.Background(), set(key), 5*time.Second, true)
				},
			} {
				b.Run(fmt.Sprintf("honours=%t/%d/%s", honours, atOnce, name), func(b *testing.B) {
					var all sync.WaitGroup
					for g := range atOnce {
						all.Go(func() {
							for i := range b.N/atOnce + 1 {
								if err := do(fmt.Sprint(name, honours, g, i, b.N)); err != nil {
									b.Error(err)
								}
							}
						})
					}
					all.Wait()
				})
			}
			client.Close()
		}
	}
}

func TestDo(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	l := Of(client)
	require.Same(t, l, Of(client))
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			c := set(fmt.Sprint(i))
			require.NoError(t, l.Node(c.Key).Do(t.Context(), c, 5*time.Second, true))
			v, err := c.Commands[0].Reply()
			require.NoError(t, err)
			require.Equal(t, "OK", v)
		})
	}
	all.Wait()
	t.Log(server.Calls("set"), l.first.took)
}
