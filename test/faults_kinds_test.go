package test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// fault is a Redis with something to go wrong.
type fault struct {
	dial       func(honours bool) redis.UniversalClient
	begin, end func()
	limit      int // of the processes; 0: any
}

func single(addr string) func(bool) redis.UniversalClient {
	return func(honours bool) redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: honours})
	}
}

// proxied is a Redis behind a proxy.
func proxied(t *testing.T, begin func(*redistest.Proxy, *redis.Client), end func(*redis.Client)) fault {
	server := redistest.Start(t)
	admin, proxy := server.Client(), redistest.NewProxy(t, server.Addr())
	require.NoError(t, admin.Ping(t.Context()).Err()) // connected before anything goes wrong
	return fault{
		dial:  single(proxy.Addr()),
		begin: func() { begin(proxy, admin) },
		end:   func() { end(admin); proxy.Pass() },
	}
}

// network is a fault of the proxy alone.
func network(begin func(*redistest.Proxy)) func(*testing.T) fault {
	return func(t *testing.T) fault {
		return proxied(t, func(p *redistest.Proxy, _ *redis.Client) { begin(p) }, func(*redis.Client) {})
	}
}

// command is a fault that commands to Redis begin and end. Connections are cut in between where new ones must see it.
func command(begin, end []any) func(*testing.T) fault {
	return func(t *testing.T) fault {
		run := func(admin *redis.Client, command []any) {
			if err := admin.Do(context.Background(), command...).Err(); err != nil {
				t.Errorf("%v: %v", command, err)
			}
		}
		return proxied(t,
			func(p *redistest.Proxy, admin *redis.Client) { run(admin, begin); p.CutAll() },
			func(admin *redis.Client) { run(admin, end) })
	}
}

func limitOf1(prepare func(*testing.T) fault) func(*testing.T) fault {
	return func(t *testing.T) fault {
		f := prepare(t)
		f.limit = 1
		return f
	}
}

var faults = map[string]func(t *testing.T) fault{
	"refused":               network((*redistest.Proxy).Refuse),
	"black-holed midstream": network((*redistest.Proxy).BlackHole),
	"replies dropped":       network((*redistest.Proxy).DropReplies),
	"replies cut":           network((*redistest.Proxy).CutReplies),
	"reset mid-reply":       network((*redistest.Proxy).ResetMidReply),
	"nonsense":              network((*redistest.Proxy).Garble),
	"another's reply":       network(func(p *redistest.Proxy) { p.Answer(":1\r\n") }),
	"READONLY":              command([]any{"replicaof", "127.0.0.1", "1"}, []any{"replicaof", "no", "one"}),
	"OOM":                   command([]any{"config", "set", "maxmemory", "1"}, []any{"config", "set", "maxmemory", "0"}),
	"NOAUTH":                command([]any{"config", "set", "requirepass", "secret"}, []any{"config", "set", "requirepass", ""}),
	// Where only scripts are refused, that is no outage but GL11.
	"NOPERM": limitOf1(command([]any{"acl", "setuser", "default", "-set"}, []any{"acl", "setuser", "default", "+@all"})),
	"stopped": func(t *testing.T) fault {
		server := redistest.Start(t)
		return fault{dial: single(server.Addr()), begin: server.Pause, end: server.Resume}
	},
	"killed and restarted empty": func(t *testing.T) fault {
		server := redistest.Start(t)
		return fault{dial: single(server.Addr()), begin: server.Kill, end: server.Restart}
	},
	"LOADING": func(t *testing.T) fault {
		server := redistest.Start(t, "--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024")
		return fault{dial: single(server.Addr()), begin: func() {
			admin := server.Client()
			for i := range 4000 { // half a millisecond each
				admin.Set(context.Background(), fmt.Sprint("other", i), i, 0)
			}
			if err := admin.Save(context.Background()).Err(); err != nil {
				t.Error(err)
			}
			server.Restart()
		}, end: func() {}}
	},
	"black-holed at connect": func(t *testing.T) fault {
		server := redistest.Start(t)
		proxy := redistest.NewProxy(t, server.Addr())
		nowhere := redistest.BlackHoleListener(t)
		var lost atomic.Bool
		away, mend := context.WithCancel(context.Background()) // a network that is back answers those who still dial
		dialer := func(ctx context.Context, network, addr string) (net.Conn, error) {
			if lost.Load() {
				addr = nowhere
				ctx = away
			}
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, addr)
		}
		return fault{dial: func(honours bool) redis.UniversalClient {
			return redis.NewClient(&redis.Options{Addr: proxy.Addr(), Dialer: dialer, ContextTimeoutEnabled: honours})
		}, begin: func() { lost.Store(true); proxy.CutAll() }, end: func() { lost.Store(false); mend() }}
	},
	"pool exhausted": func(t *testing.T) fault {
		server := redistest.Start(t)
		admin := server.Client()
		var clients []*redis.Client
		var release []func()
		return fault{dial: func(honours bool) redis.UniversalClient {
			client := smallPool(server.Addr(), honours)
			clients = append(clients, client)
			return client
		}, begin: func() {
			for _, client := range clients {
				release = append(release, exhaust(t, client, admin))
			}
		}, end: func() {
			for _, free := range release {
				free()
			}
		}}
	},
	"a cluster's node killed": func(t *testing.T) fault {
		cluster := redistest.StartCluster(t, 3)
		return fault{dial: func(honours bool) redis.UniversalClient {
			return redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs(), ContextTimeoutEnabled: honours})
		}, begin: cluster.Nodes[1].Kill, end: cluster.Nodes[1].Restart}
	},
	"Sentinel failover": func(t *testing.T) fault {
		sentinels := redistest.StartSentinels(t)
		return fault{dial: func(honours bool) redis.UniversalClient {
			return redis.NewFailoverClient(&redis.FailoverOptions{
				MasterName: sentinels.MasterName(), SentinelAddrs: sentinels.Addrs(), ContextTimeoutEnabled: honours,
			})
		}, begin: sentinels.Failover, end: func() {}}
	},
}
