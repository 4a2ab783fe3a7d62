package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"

	"github.com/redis/go-redis/v9"
)

const (
	allowed = "allowed" // every request is a new client's
	denied  = "denied"  // one client comes again and again
)

// result is one contender's in one case: medians over the rounds.
type result struct {
	Contender      string  `json:"contender"`
	Mode           string  `json:"mode"`
	AtOnce         int     `json:"atOnce"`
	Ratio          float64 `json:"ratio"` // of time: allowed to SetNX by hand, denied to ginlimit
	Nanoseconds    float64 `json:"nanoseconds"`
	Allocations    float64 `json:"allocations"`
	CommandsSent   float64 `json:"commandsSent"`        // by the client
	CommandsRun    float64 `json:"commandsRun"`         // in Redis, with those in scripts
	RedisCPU       float64 `json:"redisCPUNanoseconds"` // of all threads
	OutagesNoticed int64   `json:"outagesNoticed,omitempty"`
}

// entrant is a contender with its client, kept open over all rounds.
type entrant struct {
	contender
	client *redis.Client
	sent   sent
}

// measureRouter measures behind a Gin router, without a network but the way to Redis. Each round runs every contender once
// per case in a random order, so that what else the machine does, and what the one before leaves behind, hits all alike.
func measureRouter(ctx context.Context, s settings) ([]result, error) {
	counts, err := s.atOnce()
	if err != nil {
		return nil, err
	}
	server, err := startServer(ctx)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	entrants, err := enter(ctx, s.only, server)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, e := range entrants {
			_ = e.client.Close()
		}
	}()
	var results []result
	for _, mode := range []string{allowed, denied} {
		if s.mode != "" && s.mode != mode {
			continue
		}
		for _, n := range counts {
			l := load{atOnce: n, fresh: mode == allowed, duration: s.duration, first: 2 * n, most: mostAddresses - 2*n}
			group, err := measureCase(ctx, server, entrants, mode, l, s.rounds)
			if err != nil {
				return nil, err
			}
			results = append(results, group...)
		}
	}
	return results, nil
}

func enter(ctx context.Context, only string, s *server) ([]entrant, error) {
	wanted, err := regexp.Compile("^(" + only + ")$")
	if err != nil {
		return nil, fmt.Errorf("-only %q: %w", only, err)
	}
	var entrants []entrant
	for _, c := range contenders {
		if only != "" && !wanted.MatchString(c.name) {
			continue
		}
		sent, err := c.check(ctx, s)
		if err != nil {
			return nil, err
		}
		entrants = append(entrants, entrant{c, c.client(s.addr), sent})
	}
	if len(entrants) == 0 {
		return nil, fmt.Errorf("-only %q: no such contender", only)
	}
	return entrants, nil
}

// measureCase runs all rounds of one case.
func measureCase(
	ctx context.Context, s *server, entrants []entrant, mode string, l load, rounds int,
) ([]result, error) {
	samples := make([][]sample, len(entrants))
	noticed := make([]int64, len(entrants))
	for range rounds {
		for _, i := range rand.Perm(len(entrants)) {
			before := outagesSeen.Load()
			one, err := measure(ctx, s, entrants[i], l)
			if err != nil {
				return nil, fmt.Errorf("%s, %s, %d at once: %w", entrants[i].name, mode, l.atOnce, err)
			}
			samples[i] = append(samples[i], one)
			noticed[i] += outagesSeen.Load() - before
		}
	}
	base := slices.IndexFunc(entrants, func(e entrant) bool {
		return mode == allowed && e.name == hand || mode == denied && e.name == ours
	})
	var results []result
	for i, e := range entrants {
		r := result{
			Contender: e.name, Mode: mode, AtOnce: l.atOnce, OutagesNoticed: noticed[i],
			Nanoseconds:  median(samples[i], func(s sample) float64 { return s.ns }),
			Allocations:  median(samples[i], func(s sample) float64 { return s.allocations }),
			CommandsRun:  median(samples[i], func(s sample) float64 { return s.commands }),
			RedisCPU:     median(samples[i], func(s sample) float64 { return s.redisCPU }),
			CommandsSent: e.sent.allowed,
		}
		if mode == denied {
			r.CommandsSent = e.sent.denied
		}
		if base >= 0 {
			r.Ratio = medianRatio(samples[i], samples[base])
		}
		results = append(results, r)
	}
	return results, nil
}
