package line

import (
	"context"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/auth"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// A Line carries the commands of all who use one client. It is as old as the client's first user in this process, and has
// a Node for each server behind the client.
type Line struct {
	client   redis.Cmdable
	own      sender    // the client, where it is one of go-redis's own: its commands travel in batches
	topology *topology // where there may be several nodes
	leads    bool      // a waiter may lead: the client honours deadlines and runs nobody's code as it connects
	most     int       // round trips under way at once, at most: the client's connections

	first     *Node // the only one, or the queue until the nodes are known
	unsure    atomic.Int64
	deadlines deadlines
	outages   outages

	attach   sync.Once
	attached any
}

// sender is what go-redis's own clients have in common.
type sender interface {
	Process(context.Context, redis.Cmder) error
	Pipeline() redis.Pipeliner
}

// lines are found by their client's address and type. Nothing here keeps a client or a line alive.
var lines = struct {
	sync.Mutex
	by map[identity]weak.Pointer[Line]
}{by: map[identity]weak.Pointer[Line]{}}

type identity struct {
	address uintptr
	kind    reflect.Type
}

// Of returns the line of a client, the same for the same client.
func Of(client redis.Cmdable) *Line {
	value := reflect.ValueOf(client)
	if value.Kind() != reflect.Pointer {
		return newLine(client)
	}
	id := identity{value.Pointer(), value.Type()}
	lines.Lock()
	defer lines.Unlock()
	if l := lines.by[id].Value(); l != nil {
		return l
	}
	l := newLine(client)
	pointer := weak.Make(l)
	lines.by[id] = pointer
	runtime.AddCleanup(l, func(id identity) { drop(id, pointer) }, id)
	return l
}

// drop forgets a line that is no more, unless its place is another's already.
func drop(id identity, pointer weak.Pointer[Line]) {
	lines.Lock()
	defer lines.Unlock()
	if lines.by[id] == pointer {
		delete(lines.by, id)
	}
}

func newLine(client redis.Cmdable) *Line {
	settings := settingsOf(client)
	l := &Line{client: client, most: settings.connections, leads: settings.leads}
	switch c := client.(type) {
	case *redis.Client:
		l.own, l.first = c, newNode(l, c)
	case *redis.ClusterClient:
		l.own, l.first, l.topology = c, newNode(l, nil), clusterOf(l, c)
	case *redis.Ring:
		l.own, l.first, l.topology = c, newNode(l, nil), ringOf(l, c)
	default:
		l.leads, l.first = false, newNode(l, nil)
		if hooked, can := client.(interface{ AddHook(redis.Hook) }); can {
			l.first.watch(hooked)
		}
	}
	return l
}

func newNode(l *Line, client *redis.Client) *Node {
	n := &Node{line: l, client: client}
	if client != nil {
		n.watch(client)
	}
	return n
}

// Attach returns what is attached to the line, which the first caller makes.
func (l *Line) Attach(what func() any) any {
	l.attach.Do(func() { l.attached = what() })
	return l.attached
}

// Node returns the node that a key's calls go to.
func (l *Line) Node(key string) *Node {
	if l.topology == nil {
		return l.first
	}
	if n := l.topology.nodeOf(key); n != nil {
		return n
	}
	return l.first
}

// lose says that marks may have been lost: somebody else answers for them from now on.
func (l *Line) lose() { l.unsure.Store(clock.Now()) }

// settings are what of a client's options counts here.
type settings struct {
	connections int
	leads       bool
}

const (
	defaultConnections = 10   // what go-redis opens for each processor
	mostForeign        = 1024 // goroutines that hold a command of somebody else's client
)

func settingsOf(client redis.Cmdable) settings {
	switch c := client.(type) {
	case interface{ Options() *redis.Options }:
		o := c.Options()
		code := runsCode(o.OnConnect, o.CredentialsProvider, o.CredentialsProviderContext, o.StreamingCredentialsProvider)
		return settings{connections(o.PoolSize, o.MaxActiveConns), o.ContextTimeoutEnabled && !code}
	case interface{ Options() *redis.ClusterOptions }:
		o := c.Options()
		code := runsCode(o.OnConnect, o.CredentialsProvider, o.CredentialsProviderContext, o.StreamingCredentialsProvider)
		return settings{connections(o.PoolSize, o.MaxActiveConns), o.ContextTimeoutEnabled && !code}
	case interface{ Options() *redis.RingOptions }:
		o := c.Options()
		code := runsCode(o.OnConnect, o.CredentialsProvider, o.CredentialsProviderContext, o.StreamingCredentialsProvider)
		return settings{connections(o.PoolSize, o.MaxActiveConns), o.ContextTimeoutEnabled && !code}
	}
	return settings{connections: mostForeign}
}

// runsCode says whether a client runs somebody's code as it connects.
func runsCode(
	onConnect func(context.Context, *redis.Conn) error, credentials func() (string, string),
	credentialsContext func(context.Context) (string, string, error), streaming auth.StreamingCredentialsProvider,
) bool {
	return onConnect != nil || credentials != nil || credentialsContext != nil || streaming != nil
}

func connections(poolSize, mostActive int) int {
	if poolSize < 1 {
		poolSize = defaultConnections * runtime.GOMAXPROCS(0)
	}
	if mostActive > 0 {
		poolSize = min(poolSize, mostActive)
	}
	return poolSize
}

// timeToConnect bounds a round trip that the line leads: it may include connecting, of which each step has a timeout in
// the client's options.
const timeToConnect = 10 * time.Second
