package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// fresh.lua makes wrk send every request from a new client's address.
//
//go:embed fresh.lua
var freshLua []byte

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

// httpLoad is how requests come to a server.
type httpLoad struct {
	redis    *server
	mode     string
	atOnce   int // connections
	duration time.Duration
	script   string
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

// run starts a server and an empty Redis, loads them and returns the requests per second.
func (h httpLoad) run(ctx context.Context, c contender) (float64, error) {
	redis, mode := h.redis, h.mode
	if err := redis.admin.FlushAll(ctx).Err(); err != nil {
		return 0, err
	}
	addr, stop, err := startChild(ctx, "-serve", c.name, "-redis", redis.addr)
	if err != nil {
		return 0, err
	}
	defer stop()
	url := "http://" + addr + route
	if err := postOnce(url); err != nil { // opens a connection to Redis and, for denied, leaves the mark
		return 0, err
	}
	args := []string{
		fmt.Sprint("-t", min(2, h.atOnce)), fmt.Sprint("-c", h.atOnce),
		fmt.Sprint("-d", math.Ceil(h.duration.Seconds())), "-s", h.script, url,
	}
	if mode == denied {
		args = append(args, "--", "same")
	}
	text, err := exec.CommandContext(ctx, "wrk", args...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w: %s", err, text)
	}
	total, rejected := find(text, `(\d+) requests in`), find(text, `Non-2xx or 3xx responses: (\d+)`)
	if total == 0 {
		return 0, fmt.Errorf("wrk got no answer: %s", text)
	}
	if limits := c.open != nil; mode == denied && limits && rejected != total || (mode == allowed || !limits) && rejected > 0 {
		return 0, fmt.Errorf("%.0f of %.0f requests were rejected", rejected, total)
	}
	return find(text, `Requests/sec:\s+([\d.]+)`), nil
}

func find(text []byte, pattern string) float64 {
	match := regexp.MustCompile(pattern).FindSubmatch(text)
	if match == nil {
		return 0
	}
	value, _ := strconv.ParseFloat(string(match[1]), 64)
	return value
}

func postOnce(url string) error {
	response, err := (&http.Client{Timeout: 5 * time.Second}).Post(url, "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the first request got %s", response.Status)
	}
	return nil
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
