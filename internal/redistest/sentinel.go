package redistest

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

const (
	masterName = "ginlimit"

	// downAfter must be well above a second: a sentinel first pings a new primary
	// a second after it was named, and counts it as silent until then. With less,
	// a failover is now and then followed by another one at once.
	downAfter = "2000"
)

// Sentinels is a primary and a replica, watched by three sentinels that replace
// a primary which is silent for two seconds, two of them agreeing.
type Sentinels struct {
	Nodes     []*Server // the two servers with data
	Sentinels []*Server

	tb      testing.TB
	clients []*redis.SentinelClient // one for each sentinel
}

// StartSentinels returns when the replica is in sync and all sentinels know it
// and each other.
func StartSentinels(tb testing.TB) *Sentinels {
	tb.Helper()
	primary := Start(tb, "--repl-diskless-sync-delay", "0")
	port := strconv.Itoa(primary.port)
	replica := start(tb, "replicaof 127.0.0.1 "+port+"\n", "--repl-diskless-sync-delay", "0")
	s := &Sentinels{tb: tb, Nodes: []*Server{primary, replica}}
	// Sentinels look for replicas only every ten seconds, so this comes first.
	waitUntil(tb, "the replica is in sync", func() bool {
		info := replica.admin.Info(context.Background(), "replication").Val()
		return strings.Contains(info, "master_link_status:up")
	})
	for range 3 {
		s.addSentinel(port)
	}
	waitUntil(tb, "all sentinels know the replica and each other", s.agreed)
	return s
}

func (s *Sentinels) addSentinel(primaryPort string) {
	s.tb.Helper()
	sentinel := start(s.tb, "sentinel monitor "+masterName+" 127.0.0.1 "+primaryPort+" 2\n"+
		"sentinel down-after-milliseconds "+masterName+" "+downAfter+"\n"+
		"sentinel failover-timeout "+masterName+" 5000\n", "--sentinel")
	client := redis.NewSentinelClient(sentinel.options())
	s.tb.Cleanup(func() { _ = client.Close() })
	s.Sentinels = append(s.Sentinels, sentinel)
	s.clients = append(s.clients, client)
}

// Addrs returns the addresses of the sentinels.
func (s *Sentinels) Addrs() []string {
	var addrs []string
	for _, sentinel := range s.Sentinels {
		addrs = append(addrs, sentinel.Addr())
	}
	return addrs
}

// MasterName returns the name under which the sentinels know the primary.
func (s *Sentinels) MasterName() string { return masterName }

// Primary returns the server that the first sentinel that answers calls the
// primary.
func (s *Sentinels) Primary() *Server {
	s.tb.Helper()
	for _, client := range s.clients {
		if addr := primaryAddr(client); addr == s.Nodes[0].Addr() {
			return s.Nodes[0]
		} else if addr == s.Nodes[1].Addr() {
			return s.Nodes[1]
		}
	}
	s.tb.Fatalf("no sentinel could be asked for the primary")
	return nil
}

// Replica returns the server that is not the primary.
func (s *Sentinels) Replica() *Server {
	s.tb.Helper()
	if s.Primary() == s.Nodes[0] {
		return s.Nodes[1]
	}
	return s.Nodes[0]
}
