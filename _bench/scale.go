package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/ginlimit/ginlimit"
)

// scale is what becomes of ginlimit as things grow.
type scale struct {
	Redis   []cost   `json:"redis"`   // one allowed request by live marks
	Process []cost   `json:"process"` // the same without Redis
	Cluster []cost   `json:"cluster"` // one allowed request by masters
	Memory  []weight `json:"memory"`
	Denials []growth `json:"denials"`
}

// long is an interval in which no mark expires.
const long = time.Hour

func measureScale(ctx context.Context, s settings) (*scale, error) {
	sizes, live := []int{10_000, 1_000_000}, []int{50_000, 65_536, 70_000, 1_000_000}
	if s.huge {
		sizes = append(sizes, 10_000_000)
	}
	if s.short {
		sizes, live = []int{100, 1000}, []int{1000}
	}
	var result scale
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"redis", func() (err error) { result.Redis, err = costInRedis(ctx, s, sizes); return err }},
		{"process", func() (err error) { result.Process, err = costInProcess(ctx, s, sizes); return err }},
		{"cluster", func() (err error) { result.Cluster, err = costInCluster(ctx, s); return err }},
		{"memory", func() (err error) { result.Memory, err = weigh(ctx, s, live); return err }},
		{"denials", func() (err error) { result.Denials, err = commandsOfDenials(ctx, s.short); return err }},
	} {
		if !s.names.MatchString(part.name) {
			continue
		}
		if err := part.run(); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return &result, nil
}

// costInRedis gives each number of marks a server of its own, so that they can be measured in turn.
func costInRedis(ctx context.Context, s settings, sizes []int) ([]cost, error) {
	var subjects []subject
	for _, n := range sizes {
		server, err := startServer(ctx)
		if err != nil {
			return nil, err
		}
		defer server.stop()
		if err := fill(ctx, server.admin, n); err != nil {
			return nil, err
		}
		client := goRedis([]string{server.addr}, true)
		defer client.Close()
		subjects = append(subjects, subject{fmt.Sprintf("%d marks", n), limited(ginlimit.WithRedis(client))})
	}
	return compare(ctx, subjects, s, 32)
}

// costInProcess keeps each table full, so that for every new mark the oldest goes, as it does where marks expire.
func costInProcess(ctx context.Context, s settings, sizes []int) ([]cost, error) {
	var subjects []subject
	for _, n := range sizes {
		engine := limited(ginlimit.WithCapacity(n))
		if err := leaveMarks(ctx, engine, n, 1); err != nil {
			return nil, err
		}
		subjects = append(subjects, subject{fmt.Sprintf("%d marks", n), engine})
	}
	return compare(ctx, subjects, s, 32)
}

func costInCluster(ctx context.Context, s settings) ([]cost, error) {
	var subjects []subject
	for _, p := range []struct {
		name  string
		start func(context.Context) (place, error)
	}{{"one server", startOne}, {"cluster of 3 masters", startCluster}} {
		place, err := p.start(ctx)
		if err != nil {
			return nil, err
		}
		defer place.stop()
		client := goRedis(place.addrs, true)
		defer client.Close()
		subjects = append(subjects, subject{p.name, limited(ginlimit.WithRedis(client))})
	}
	return compare(ctx, subjects, s, 64)
}

func limited(opts ...ginlimit.Option) *gin.Engine {
	engine, err := engine(ginlimit.New(append([]ginlimit.Option{ginlimit.WithInterval(long), ginlimit.WithLogger(quiet)}, opts...)...))
	if err != nil {
		panic(err) // no proxies are trusted, so there is none to be wrong
	}
	return engine
}

func writeScale(out io.Writer, s *scale) {
	for _, part := range []struct {
		title string
		costs []cost
	}{
		{"An allowed request by live marks in Redis", s.Redis},
		{"An allowed request by live marks in the process", s.Process},
		{"An allowed request by servers", s.Cluster},
	} {
		if len(part.costs) == 0 {
			continue
		}
		fmt.Fprintf(out, "\n### %s\n\n| | time |\n|---|--:|\n", part.title)
		for _, c := range part.costs {
			fmt.Fprintf(out, "| %s | %s (%s) |\n", c.Of, figure(c.Ratio), period(c.Nanoseconds))
		}
	}
	if len(s.Memory) > 0 {
		fmt.Fprintf(out, "\n### Bytes per live mark, or client at a limit\n\n| | marks | bytes |\n|---|--:|--:|\n")
	}
	for _, w := range s.Memory {
		fmt.Fprintf(out, "| %s | %d | %.1f |\n", w.Where, w.Marks, w.Bytes)
	}
	if len(s.Denials) > 0 {
		fmt.Fprintf(out, "\n### Redis commands of denied requests\n\n"+
			"| requests per second | clients | processes | round trips per second | commands per second | per client and process |\n|--:|--:|--:|--:|--:|--:|\n")
	}
	for _, g := range s.Denials {
		fmt.Fprintf(out, "| %.0f | %d | %d | %.1f | %.1f | %.2f |\n",
			g.RequestsPerSecond, g.Clients, g.Processes, g.RoundTripsPerSecond, g.CommandsPerSecond, g.PerClientAndProcess)
	}
}
