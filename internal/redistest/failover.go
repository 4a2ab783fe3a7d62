package redistest

import (
	"context"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Failover makes the sentinels swap primary and replica while both are healthy.
// It returns when all sentinels name the new primary and it accepts writes. The
// old one takes about ten seconds more to become a replica: until then it
// accepts writes that will be lost, as it does in production.
func (s *Sentinels) Failover() {
	s.tb.Helper()
	next := s.Replica()
	waitUntil(s.tb, "a sentinel starts the failover", func() bool {
		// Refused while the replica is not in order or a failover is under way.
		return s.clients[0].Failover(context.Background(), masterName).Err() == nil
	})
	waitUntil(s.tb, "all sentinels name the new primary", func() bool {
		return s.allName(next)
	})
}

func (s *Sentinels) allName(primary *Server) bool {
	for _, client := range s.clients {
		if primaryAddr(client) != primary.Addr() {
			return false
		}
	}
	info := primary.admin.Info(context.Background(), "replication").Val()
	return strings.Contains(info, "role:master")
}

// agreed reports whether each sentinel sees the replica and both other sentinels.
func (s *Sentinels) agreed() bool {
	for _, client := range s.clients {
		master := client.Master(context.Background(), masterName).Val()
		settled := master["flags"] == "master" &&
			master["num-slaves"] == "1" &&
			master["num-other-sentinels"] == "2"
		if !settled {
			return false
		}
	}
	return true
}

// primaryAddr returns "" when the sentinel does not answer.
func primaryAddr(sentinel *redis.SentinelClient) string {
	addr := sentinel.GetMasterAddrByName(context.Background(), masterName).Val()
	if len(addr) != 2 {
		return ""
	}
	return net.JoinHostPort(addr[0], addr[1])
}
