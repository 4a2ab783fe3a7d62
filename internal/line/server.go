package line

import (
	"context"
	"net"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// server is who is behind a node. A connection that is made anew may reach another process than before, which has lost the
// marks, without one command failing: a server that was restarted, or the primary after a failover.
type server struct {
	address   atomic.Pointer[string] // last connected to
	connected atomic.Int64           // connections made
	known     atomic.Int64           // of these, when it was asked last who it is
	id        atomic.Pointer[string]
	refused   atomic.Pointer[error] // why the last attempt to connect failed
}

// watch notices a client's connections from now on. Those it has already count as new.
func (n *Node) watch(client interface{ AddHook(redis.Hook) }) {
	n.server.connected.Store(1)
	client.AddHook(&n.server)
}

func (s *server) isNew() bool { return s.connected.Load() != s.known.Load() }

// DialHook counts connections.
func (s *server) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		switch {
		case err != nil:
			s.refused.Store(&err)
		case conn != nil:
			s.refused.Store(nil)
			address := conn.RemoteAddr().String()
			s.address.Store(&address)
			s.connected.Add(1)
		}
		return conn, err
	}
}

// ProcessHook changes nothing.
func (s *server) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook changes nothing.
func (s *server) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// checkServer asks a server who it is where a connection was made since it was asked last. Another one, or one that doesn't
// say, may not have the marks.
func (n *Node) checkServer(ctx context.Context) {
	if !n.server.isNew() {
		return
	}
	connected := n.server.connected.Load()
	id := n.serverID(ctx)
	n.server.known.Store(connected)
	before := n.server.id.Swap(&id)
	if before != nil && (*before != id || id == "") {
		n.unsure.Store(clock.Now())
	}
}

// serverID returns what a server calls itself since it was started; "" where it doesn't say.
func (n *Node) serverID(ctx context.Context) string {
	info, err := n.info(ctx)
	if err != nil {
		return ""
	}
	_, id, _ := strings.Cut(info, "\nrun_id:")
	id, _, _ = strings.Cut(id, "\r")
	return id
}

func (n *Node) info(ctx context.Context) (string, error) {
	if n.client == nil {
		return n.line.client.Info(ctx, "server").Result()
	}
	command := NewCommand("info", "server")
	_ = n.client.Process(ctx, command)
	return command.Text()
}

// name is the node's address.
func (n *Node) name() string {
	if address := n.server.address.Load(); address != nil {
		return *address
	}
	if n.client != nil {
		return n.client.Options().Addr
	}
	return ""
}
