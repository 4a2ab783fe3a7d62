package main

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// fresh.lua makes wrk send every request from a new client's address.
//
//go:embed fresh.lua
var freshLua []byte

// httpLoad is how requests come to a server.
type httpLoad struct {
	redis    *server
	mode     string
	atOnce   int // connections
	duration time.Duration
	script   string
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
