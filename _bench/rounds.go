package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	allowed = "allowed" // every request is a new client's, or one's that has not reached the limit
	denied  = "denied"  // one client comes again and again
)

// result is one contender's in one case: medians over the rounds.
type result struct {
	Contender      string  `json:"contender"`
	Mode           string  `json:"mode"`
	Limit          int     `json:"limit"`
	AtOnce         int     `json:"atOnce"`
	Ratio          float64 `json:"ratio"` // of time, to the part's base
	Nanoseconds    float64 `json:"nanoseconds"`
	Median         float64 `json:"latencyMedian,omitempty"` // of each request, in nanoseconds
	P99            float64 `json:"latency99,omitempty"`
	Allocations    float64 `json:"allocations"`
	CommandsRun    float64 `json:"commandsRun"`         // in Redis, with those in scripts
	RedisCPU       float64 `json:"redisCPUNanoseconds"` // of all threads
	OutagesNoticed int64   `json:"outagesNoticed,omitempty"`
}

// measure runs every contender of the part in every case.
func (p part) measure(ctx context.Context, s settings) ([]result, error) {
	chosen := s.chosen(p.names...)
	if len(chosen) == 0 {
		return nil, nil
	}
	place, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	defer place.stop()
	var entrants []entrant
	defer func() {
		for _, e := range entrants {
			e.close()
		}
	}()
	for _, c := range chosen {
		e, err := c.enter(place.addrs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		entrants = append(entrants, e)
	}
	s.rounds, s.duration = max(1, s.rounds/p.longer), s.duration*time.Duration(p.longer)
	var results []result
	for _, mode := range s.modes(p.modes...) {
		for _, limit := range p.limits {
			for _, e := range entrants {
				if err := e.check(ctx, place, limit); err != nil {
					return nil, err
				}
			}
			for _, n := range s.counts(p.atOnce...) {
				l := load{
					atOnce: n, fresh: mode == allowed, limit: limit, timed: p.timed,
					duration: s.duration, first: 2 * n, most: mostAddresses - 2*n,
				}
				group, err := p.measureCase(ctx, place, entrants, l, s.rounds)
				if err != nil {
					return nil, err
				}
				results = append(results, group...)
			}
		}
	}
	return results, nil
}

// measureCase runs all rounds of one case, each in a random order, so that what else the machine does, and what the one
// before leaves behind, hits all alike.
func (p part) measureCase(ctx context.Context, place place, entrants []entrant, l load, rounds int) ([]result, error) {
	mode, base := allowed, p.base
	if !l.fresh {
		mode, base = denied, ours
	}
	samples := make([][]sample, len(entrants))
	noticed := make([]int64, len(entrants))
	for range rounds {
		for _, i := range rand.Perm(len(entrants)) {
			before := outagesSeen.Load()
			one, err := measure(ctx, place, entrants[i], l)
			if err != nil {
				return nil, fmt.Errorf("%s, %s, %d at once: %w", entrants[i].name, mode, l.atOnce, err)
			}
			samples[i] = append(samples[i], one)
			noticed[i] += outagesSeen.Load() - before
		}
	}
	of := slices.IndexFunc(entrants, func(e entrant) bool { return e.name == base })
	var results []result
	for i, e := range entrants {
		r := result{
			Contender: e.name, Mode: mode, Limit: l.limit, AtOnce: l.atOnce, OutagesNoticed: noticed[i],
			Nanoseconds: median(samples[i], func(s sample) float64 { return s.ns }),
			Median:      median(samples[i], func(s sample) float64 { return s.median }),
			P99:         median(samples[i], func(s sample) float64 { return s.p99 }),
			Allocations: median(samples[i], func(s sample) float64 { return s.allocations }),
			CommandsRun: median(samples[i], func(s sample) float64 { return s.commands }),
			RedisCPU:    median(samples[i], func(s sample) float64 { return s.redisCPU }),
		}
		if of >= 0 {
			r.Ratio = medianRatio(samples[i], samples[of])
		}
		results = append(results, r)
	}
	return results, nil
}
