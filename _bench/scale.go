package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/ginlimit/ginlimit"
	"github.com/redis/go-redis/v9"
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
	var err error
	if result.Redis, err = costInRedis(ctx, s, sizes); err != nil {
		return nil, err
	}
	if result.Process, err = costInProcess(ctx, s, sizes); err != nil {
		return nil, err
	}
	if result.Cluster, err = costInCluster(ctx, s); err != nil {
		return nil, err
	}
	if result.Memory, err = weigh(ctx, live); err != nil {
		return nil, err
	}
	result.Denials, err = commandsOfDenials(ctx, s.short)
	return &result, err
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
		client := redis.NewClient(&redis.Options{Addr: server.addr, ContextTimeoutEnabled: true})
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
	one, err := startServer(ctx)
	if err != nil {
		return nil, err
	}
	defer one.stop()
	three, err := startCluster(ctx, 3)
	if err != nil {
		return nil, err
	}
	defer three.stop()
	client := redis.NewClient(&redis.Options{Addr: one.addr, ContextTimeoutEnabled: true})
	defer client.Close()
	clusterClient := three.client()
	defer clusterClient.Close()
	return compare(ctx, []subject{
		{"one server", limited(ginlimit.WithRedis(client))},
		{"cluster of 3 masters", limited(ginlimit.WithRedis(clusterClient))},
	}, s, 64)
}

func limited(opts ...ginlimit.Option) *gin.Engine {
	limit := ginlimit.New(append(opts, ginlimit.WithInterval(long), ginlimit.WithLogger(quiet))...)
	engine, err := contender{name: ours, limiter: func(*redis.Client) (gin.HandlerFunc, error) { return limit, nil }}.engine(nil)
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
		fmt.Fprintf(out, "\n### %s\n\n| | time |\n|---|--:|\n", part.title)
		for _, c := range part.costs {
			fmt.Fprintf(out, "| %s | %s (%s) |\n", c.Of, figure(c.Ratio), period(c.Nanoseconds))
		}
	}
	fmt.Fprintf(out, "\n### Bytes per live mark\n\n| | marks | bytes |\n|---|--:|--:|\n")
	for _, w := range s.Memory {
		fmt.Fprintf(out, "| %s | %d | %.1f |\n", w.Where, w.Marks, w.Bytes)
	}
	fmt.Fprintf(out, "\n### Redis commands of denied requests\n\n"+
		"| requests per second | clients | processes | commands per second | per client and process |\n|--:|--:|--:|--:|--:|\n")
	for _, g := range s.Denials {
		fmt.Fprintf(out, "| %.0f | %d | %d | %.1f | %.2f |\n", g.RequestsPerSecond, g.Clients, g.Processes, g.CommandsPerSecond, g.PerClientAndProcess)
	}
}
