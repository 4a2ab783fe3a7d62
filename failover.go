package ginlimit

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// sentinelAddr is what go-redis dials for a Sentinel client, whatever the primary's address.
const sentinelAddr = "FailoverClient"

// failoverHook notices that a Sentinel client dials another primary. Such a change may lose marks without one command
// failing, because go-redis moves on by itself.
type failoverHook struct {
	changed func()
	primary atomic.Pointer[string]
}

// watchFailover calls changed whenever the client meets another primary.
func watchFailover(client redis.Cmdable, changed func()) {
	hook := &failoverHook{changed: changed}
	switch c := client.(type) {
	case *redis.ClusterClient, *redis.Ring: // of no Sentinel, and asking them for their pools would connect them
	case interface {
		Options() *redis.Options
		PoolStats() *redis.PoolStats
		AddHook(redis.Hook)
	}:
		if c.Options().Addr == sentinelAddr {
			if c.PoolStats().TotalConns > 0 {
				hook.primary.Store(&unknown)
			}
			c.AddHook(hook)
		}
	case interface{ AddHook(redis.Hook) }: // the automatic pipeliner, whose client may be connected
		hook.primary.Store(&unknown)
		c.AddHook(hook)
	}
}

// unknown is the address of a primary to which the client was connected before there was a hook.
var unknown = "unknown"

func (h *failoverHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err == nil && addr == sentinelAddr {
			primary := conn.RemoteAddr().String()
			if before := h.primary.Swap(&primary); before != nil && *before != primary {
				h.changed()
			}
		}
		return conn, err
	}
}

func (h *failoverHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *failoverHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
