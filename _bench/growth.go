package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ginlimit/ginlimit"
	"github.com/redis/go-redis/v9"
)

// growth is how many commands denied requests cost Redis, by who sends them: each process remembers for itself.
type growth struct {
	RequestsPerSecond   float64 `json:"requestsPerSecond"`
	Clients             int     `json:"clients"`
	Processes           int     `json:"processes"`
	RoundTripsPerSecond float64 `json:"roundTripsPerSecond"`
	CommandsPerSecond   float64 `json:"commandsPerSecond"`
	PerClientAndProcess float64 `json:"perClientAndProcess"` // commands
}

func commandsOfDenials(ctx context.Context, short bool) ([]growth, error) {
	server, err := startServer(ctx)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	cases := []growth{
		{RequestsPerSecond: 1_000, Clients: 1, Processes: 1},
		{RequestsPerSecond: 10_000, Clients: 1, Processes: 1},
		{RequestsPerSecond: 100_000, Clients: 1, Processes: 1},
		{RequestsPerSecond: 10_000, Clients: 10, Processes: 1},
		{RequestsPerSecond: 10_000, Clients: 100, Processes: 1},
		{RequestsPerSecond: 10_000, Clients: 1, Processes: 4},
		{RequestsPerSecond: 10_000, Clients: 10, Processes: 4},
	}
	duration := 5 * time.Second
	if short {
		cases, duration = cases[:1], time.Second
	}
	for i := range cases {
		if err := cases[i].measure(ctx, server, duration); err != nil {
			return nil, err
		}
	}
	return cases, nil
}

// measure spreads the requests evenly over time, clients and limiters. A limiter shares nothing with another one but
// Redis, so it stands for a process.
func (g *growth) measure(ctx context.Context, s *server, duration time.Duration) error {
	if err := s.admin.FlushAll(ctx).Err(); err != nil {
		return err
	}
	var counter counter
	var workers []*worker
	for range g.Processes {
		client := goRedis([]string{s.addr}, true)
		defer client.Close()
		client.AddHook(&counter)
		workers = append(workers, newWorker(limited(ginlimit.WithRedis(client))))
	}
	for client := range g.Clients {
		for _, w := range workers {
			w.serve(address(client)) // the first leaves the mark, the others learn of it
		}
	}
	start, trips, commands := time.Now(), counter.trips.Load(), counter.commands.Load()
	const tick = 10 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	total := int(g.RequestsPerSecond * duration.Seconds())
	for i := 0; i < total; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		for due := int(g.RequestsPerSecond * time.Since(start).Seconds()); i < min(due, total); i++ {
			status := workers[i%len(workers)].serve(address(i / len(workers) % g.Clients))
			if status != http.StatusTooManyRequests {
				return fmt.Errorf("denied request %d got %d", i, status)
			}
		}
	}
	took := time.Since(start).Seconds()
	g.RequestsPerSecond = float64(total) / took
	g.RoundTripsPerSecond = float64(counter.trips.Load()-trips) / took
	g.CommandsPerSecond = float64(counter.commands.Load()-commands) / took
	g.PerClientAndProcess = g.CommandsPerSecond / float64(g.Clients*g.Processes)
	return nil
}

// counter counts what clients send.
type counter struct{ trips, commands atomic.Int64 }

func (n *counter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (n *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		n.trips.Add(1)
		n.commands.Add(1)
		return next(ctx, command)
	}
}

func (n *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, pipeline []redis.Cmder) error {
		n.trips.Add(1)
		n.commands.Add(int64(len(pipeline)))
		return next(ctx, pipeline)
	}
}
