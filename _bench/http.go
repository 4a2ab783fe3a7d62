package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	rounds := min(s.rounds, 11)
	entrants := contenders // with no limiter comes first
	if s.short {
		entrants = contenders[:3]
	}
	var results []httpResult
	for _, mode := range []string{allowed, denied} {
		rates := make([][]float64, len(entrants))
		for range rounds {
			for _, i := range rand.Perm(len(entrants)) {
				rate, err := loadOnce(ctx, redis, entrants[i], mode, script)
				if err != nil {
					return nil, fmt.Errorf("HTTP, %s, %s: %w", entrants[i].name, mode, err)
				}
				rates[i] = append(rates[i], rate)
			}
		}
		for i, c := range entrants {
			var ratios []float64
			for round, rate := range rates[i] {
				ratios = append(ratios, rate/rates[0][round])
			}
			results = append(results, httpResult{c.name, mode, middle(ratios), middle(rates[i])})
		}
	}
	return results, nil
}

// loadOnce starts a server and an empty Redis, loads them with 64 connections for a second and returns the requests in it.
func loadOnce(ctx context.Context, redis *server, c contender, mode, script string) (float64, error) {
	if err := redis.admin.FlushAll(ctx).Err(); err != nil {
		return 0, err
	}
	url, stop, err := startChild(ctx, c.name, redis.addr)
	if err != nil {
		return 0, err
	}
	defer stop()
	if err := postOnce(url); err != nil { // opens a connection to Redis and, for denied, leaves the mark
		return 0, err
	}
	args := []string{"-t2", "-c64", "-d1s", "-s", script, url}
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
	if limits := c.limiter != nil; mode == denied && limits && rejected != total || (mode == allowed || !limits) && rejected > 0 {
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
	fmt.Fprintf(out, "\n### HTTP: requests per second, no limiter = 1\n\n| | allowed | denied again |\n|---|--:|--:|\n")
	for _, a := range results {
		for _, d := range results {
			if a.Contender == d.Contender && a.Mode == allowed && d.Mode == denied {
				fmt.Fprintf(out, "| %s | %.2f (%.0f/s) | %.2f (%.0f/s) |\n",
					a.Contender, a.Ratio, a.RequestsPerSecond, d.Ratio, d.RequestsPerSecond)
			}
		}
	}
}
