package redistest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// adminTimeout bounds each step of an administrative command.
const adminTimeout = 2 * time.Second

// Client returns a new plain client of the server, closed when the test ends.
// It knows the password when the server was started with --requirepass.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(s.options())
	s.tb.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *Server) options() *redis.Options {
	return &redis.Options{
		Addr:                  s.Addr(),
		Password:              s.password(),
		ContextTimeoutEnabled: true,
		DialTimeout:           adminTimeout,
		ReadTimeout:           adminTimeout,
		WriteTimeout:          adminTimeout,
		DialerRetries:         1,  // a server that is down is an answer too
		MaxRetries:            -1, // one call is one command
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
}

func (s *Server) password() string {
	i := slices.Index(s.args, "--requirepass")
	if i < 0 || i+1 == len(s.args) {
		return ""
	}
	return s.args[i+1]
}

// Calls returns how often the server ran the given commands since it started or
// since ResetStats: lower case, a subcommand as "cluster|slots". Commands that a
// script calls count as well.
func (s *Server) Calls(commands ...string) int64 {
	s.tb.Helper()
	info, err := s.admin.Info(context.Background(), "commandstats").Result()
	if err != nil {
		s.tb.Fatalf("cannot read the command statistics of %s: %v", s.Addr(), err)
	}
	var sum int64
	for line := range strings.Lines(info) {
		name, stats, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if !slices.Contains(commands, name) {
			continue
		}
		calls, _, _ := strings.Cut(stats, ",")
		n, err := strconv.ParseInt(calls, 10, 64)
		if err != nil {
			s.tb.Fatalf("redis-server sent command statistics in an unknown form: %q", line)
		}
		sum += n
	}
	return sum
}

// ResetStats sets the counts of Calls back to zero.
func (s *Server) ResetStats() {
	s.tb.Helper()
	if err := s.admin.ConfigResetStat(context.Background()).Err(); err != nil {
		s.tb.Fatalf("cannot reset the statistics of %s: %v", s.Addr(), err)
	}
}
