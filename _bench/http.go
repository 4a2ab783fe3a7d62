package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// httpResult is what a contender's server answers, as a part of what it answers with no limiter.
type httpResult struct {
	Contender         string  `json:"contender"`
	Mode              string  `json:"mode"`
	AtOnce            int     `json:"atOnce"`
	Ratio             float64 `json:"ratio"`
	RequestsPerSecond float64 `json:"requestsPerSecond"`
}

// measureHTTP loads a real server in a process of its own.
func measureHTTP(ctx context.Context, s settings) ([]httpResult, error) {
	if _, err := exec.LookPath("wrk"); err != nil {
		return nil, errors.New("wrk is missing: install it, on Debian by apt-get install wrk")
	}
	dir, err := os.MkdirTemp("", "bench-wrk-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "fresh.lua")
	if err := os.WriteFile(script, freshLua, 0o600); err != nil {
		return nil, err
	}
	redis, err := startServer(ctx)
	if err != nil {
		return nil, err
	}
	defer redis.stop()
	chosen := s.chosen()
	if s.short {
		s.numbers, chosen = []int{32}, s.chosen(none, hand, ours)
	}
	var results []httpResult
	for _, mode := range s.modes(allowed, denied) {
		for _, n := range s.counts(64) {
			h := httpLoad{redis: redis, mode: mode, atOnce: n, duration: s.duration, script: script}
			group, err := h.compare(ctx, chosen, min(s.rounds, 7))
			if err != nil {
				return nil, err
			}
			results = append(results, group...)
		}
	}
	return results, nil
}

func (h httpLoad) compare(ctx context.Context, chosen []contender, rounds int) ([]httpResult, error) {
	rates := make([][]float64, len(chosen))
	for range rounds {
		for _, i := range rand.Perm(len(chosen)) {
			rate, err := h.run(ctx, chosen[i])
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", chosen[i].name, h.mode, err)
			}
			rates[i] = append(rates[i], rate)
		}
	}
	base := slices.IndexFunc(chosen, func(c contender) bool { return c.name == none })
	var results []httpResult
	for i, c := range chosen {
		var ratios []float64
		for round, rate := range rates[i] {
			if base >= 0 {
				ratios = append(ratios, rate/rates[base][round])
			}
		}
		results = append(results, httpResult{c.name, h.mode, h.atOnce, middle(ratios), middle(rates[i])})
	}
	return results, nil
}

func writeHTTP(out io.Writer, results []httpResult) {
	if len(results) == 0 {
		return
	}
	fmt.Fprintf(out, "\n### HTTP: requests per second, no limiter = 1\n\n| | mode | at once | |\n|---|---|--:|--:|\n")
	for _, r := range results {
		fmt.Fprintf(out, "| %s | %s | %d | %s (%.0f/s) |\n", r.Contender, r.Mode, r.AtOnce, ratio(r.Ratio), r.RequestsPerSecond)
	}
}
