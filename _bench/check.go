package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// sent is how many commands a contender sends to Redis per request.
type sent struct{ allowed, denied float64 }

// check makes sure that a contender limits at all, so that nobody is measured broken, and counts its commands.
func (c contender) check(ctx context.Context, s *server) (sent, error) {
	const repeats = 100
	if err := s.admin.FlushAll(ctx).Err(); err != nil {
		return sent{}, err
	}
	client := c.client(s.addr)
	defer client.Close()
	counter := &commands{}
	client.AddHook(counter)
	engine, err := c.engine(client)
	if err != nil {
		return sent{}, err
	}
	// The first requests open the connection and load the scripts.
	w := newWorker(engine)
	defer w.close()
	warm := []int{w.serve(address(0)), w.serve(address(0))}
	start := counter.Load()
	first := w.serve(address(1))
	allowed := counter.Load() - start
	statuses := append(warm, first)
	start = counter.Load()
	for range repeats {
		statuses = append(statuses, w.serve(address(1)))
	}
	denied := counter.Load() - start
	for i, status := range statuses {
		want := http.StatusTooManyRequests
		if i == 0 || i == 2 || c.limiter == nil {
			want = http.StatusOK
		}
		if status != want {
			return sent{}, fmt.Errorf("%s is broken: request %d got %d, not %d", c.name, i, status, want)
		}
	}
	return sent{float64(allowed), float64(denied) / repeats}, nil
}

// commands counts what a client sends.
type commands struct{ atomic.Int64 }

func (n *commands) DialHook(next redis.DialHook) redis.DialHook { return next }

func (n *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		n.Add(1)
		return next(ctx, command)
	}
}

func (n *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, pipeline []redis.Cmder) error {
		n.Add(int64(len(pipeline)))
		return next(ctx, pipeline)
	}
}
