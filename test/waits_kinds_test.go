package test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// kinds are the clients that reach a single server.
var kinds = map[string]func(addr string) redis.Cmdable{
	"honours deadlines": func(addr string) redis.Cmdable {
		return redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	},
	"default": func(addr string) redis.Cmdable { return redis.NewClient(&redis.Options{Addr: addr}) },
	"pipeliner": func(addr string) redis.Cmdable {
		pipeliner, _ := redis.NewClient(&redis.Options{Addr: addr}).AutoPipeline()
		return pipeliner
	},
	"wrapped": func(addr string) redis.Cmdable { return &tenant{redis.NewClient(&redis.Options{Addr: addr})} },
	"ring": func(addr string) redis.Cmdable {
		return redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": addr}, HeartbeatFrequency: time.Hour})
	},
}

// forEachKind runs a test with a server of its own and a client of each kind.
func forEachKind(t *testing.T, test func(t *testing.T, server *redistest.Server, proxy *redistest.Proxy, client redis.Cmdable)) {
	for kind, dial := range kinds {
		t.Run(kind, func(t *testing.T) {
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server.Addr())
			client := dial(proxy.Addr())
			t.Cleanup(func() { _ = client.(io.Closer).Close() })
			t.Cleanup(proxy.Refuse) // or closing takes long
			test(t, server, proxy, client)
		})
	}
}

// tenant is a user's own client, which puts all keys that are set under a prefix.
type tenant struct{ *redis.Client }

func (w *tenant) SetArgs(ctx context.Context, key string, value any, args redis.SetArgs) *redis.StatusCmd {
	return w.Client.SetArgs(ctx, "tenant:"+key, value, args)
}

// warmUp sends requests of many clients until Redis has decided about some, wherever they lead.
func warmUp(r *gin.Engine, path string) {
	for i := range 20 {
		gintest.Request(r, "GET", path, fmt.Sprintf("10.9.9.%d:1", i))
	}
}

func TestAWrappedClientIsUsedThroughItsOwnMethods(t *testing.T) {
	server := redistest.Start(t)
	r := gintest.NewRouter()
	r.GET("/x", ginlimit.New(quiet, patient, ginlimit.WithRedis(&tenant{redistest.Dial(t, server.Addr())})), gintest.OK)
	require.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code)
	assert.Equal(t, []string{"tenant:ginlimit:1/3s:/x:ip=203.0.113.7"}, server.Client().Keys(t.Context(), "*").Val())
}
