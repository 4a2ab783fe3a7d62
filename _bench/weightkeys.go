package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ginlimit/ginlimit"
)

// weighKeys asks Redis for the size of the marks with the shortest and the longest IPv4 address.
func weighKeys(ctx context.Context, s *server) ([]weight, error) {
	engine := limited(ginlimit.WithRedis(s.admin))
	var weights []weight
	for _, address := range []string{"1.1.1.1", "100.100.100.100"} {
		newWorker(engine).serve(address + ":1")
		key := "ginlimit:1/1h:" + route + ":ip=" + address
		bytes, err := s.admin.MemoryUsage(ctx, key).Result()
		if err != nil {
			return nil, fmt.Errorf("no mark under %s: %w", key, err)
		}
		weights = append(weights, weight{"Redis, MEMORY USAGE of " + key, 1, float64(bytes)})
	}
	return weights, nil
}

// weighClient asks Redis for the size of all that one client leaves that comes for an interval, evenly and as often as it may.
func weighClient(ctx context.Context, s *server, limit int, interval time.Duration) (weight, error) {
	const address = "100.100.100.100"
	w := newWorker(limited(ginlimit.WithRedis(s.admin), ginlimit.WithLimit(limit), ginlimit.WithInterval(interval),
		ginlimit.WithCapacity(max(128, limit))))
	marks := 0
	for start := time.Now(); time.Since(start) < interval; {
		if w.serve(address+":1") == http.StatusOK {
			marks++
		}
		time.Sleep(time.Until(start.Add(interval / time.Duration(limit) * time.Duration(marks))))
	}
	key := fmt.Sprintf("ginlimit:%d/%v:%s:ip=%s", limit, interval, route, address)
	bytes, err := s.admin.MemoryUsage(ctx, key, 0).Result() // 0: of all elements
	if err != nil {
		return weight{}, fmt.Errorf("nothing under %s: %w", key, err)
	}
	return weight{fmt.Sprintf("Redis, a client at a limit of %d", limit), marks, float64(bytes)}, nil
}
