package main

import (
	"context"
	"fmt"
	"io"
)

// step measures one part of the report and prints it.
type step struct {
	name, usage string
	run         func(context.Context, settings, *report, io.Writer) error
}

var steps = []step{
	{"router", "measure behind a Gin router, as without any of these", router.step},
	{"limits", "measure limits of 10 and 1,000", limits.step},
	{"cluster", "measure over a cluster of three masters", cluster.step},
	{"distant", "measure over a Redis 1 ms away", distant.step},
	{"http", "measure a real HTTP server with wrk", func(ctx context.Context, s settings, r *report, out io.Writer) (err error) {
		r.HTTP, err = measureHTTP(ctx, s)
		writeHTTP(out, r.HTTP)
		return err
	}},
	{"scale", "measure many marks, clients, processes and nodes", func(ctx context.Context, s settings, r *report, out io.Writer) (err error) {
		r.Scale, err = measureScale(ctx, s)
		writeScale(out, r.Scale)
		return err
	}},
}

// part compares contenders behind a Gin router, at one kind of Redis.
type part struct {
	title  string
	start  func(context.Context) (place, error)
	names  []string // empty: all contenders
	base   string   // whose time the others' is compared with where requests are allowed; denied it is ginlimit's
	modes  []string
	limits []int
	atOnce []int
	longer int  // rounds are so many times longer, and fewer
	timed  bool // each request on its own
	list   func(*report) *[]result
}

var (
	router = part{
		title: "one Redis", start: startOne, base: hand, modes: []string{allowed, denied},
		limits: []int{1}, atOnce: []int{1, 8, 32, 64, 256}, longer: 1,
		list: func(r *report) *[]result { return &r.Router },
	}
	limits = part{
		title: "a limit above 1", start: startOne, base: redisRate, modes: []string{allowed},
		names: []string{ours, ulule, redisRate}, limits: []int{10, 1000}, atOnce: []int{32, 64}, longer: 1,
		list: func(r *report) *[]result { return &r.Limits },
	}
	cluster = part{
		title: "a cluster of three masters", start: startCluster, base: hand, modes: []string{allowed},
		names: []string{hand, handRueidis, ours}, limits: []int{1}, atOnce: []int{64}, longer: 1,
		list: func(r *report) *[]result { return &r.Cluster },
	}
	distant = part{
		title: "a Redis 1 ms away", start: startDistant, base: hand, modes: []string{allowed},
		names:  []string{hand, handRueidis, ours, byDefault, pipelined},
		limits: []int{1}, atOnce: []int{1, 64, 256}, longer: 5, timed: true,
		list: func(r *report) *[]result { return &r.Distant },
	}
)

func (p part) step(ctx context.Context, s settings, r *report, out io.Writer) error {
	results, err := p.measure(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", p.title, err)
	}
	*p.list(r) = results
	p.print(out, results)
	return nil
}
