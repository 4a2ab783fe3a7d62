package main

import (
	"context"
	"runtime"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/ginlimit/ginlimit"
	"github.com/redis/go-redis/v9"
)

// weight is the bytes per mark while so many are alive.
type weight struct {
	Where string  `json:"where"`
	Marks int     `json:"marks"`
	Bytes float64 `json:"bytes"`
}

func weigh(ctx context.Context, s settings, sizes []int) ([]weight, error) {
	server, err := startServer(ctx)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	weights, err := weighKeys(ctx, server)
	if err != nil {
		return nil, err
	}
	limits, interval := []int{10, 127, 128, 1000, 1_000_000}, 2*time.Second
	if s.short {
		limits, interval = limits[:1], 100*time.Millisecond
	}
	for _, limit := range limits {
		client, err := weighClient(ctx, server, limit, interval)
		if err != nil {
			return nil, err
		}
		weights = append(weights, client)
	}
	for _, n := range sizes {
		inRedis, err := weighRedis(ctx, server, n)
		if err != nil {
			return nil, err
		}
		inMemory, err := weighProcess(n, func() (*gin.Engine, error) {
			engine := limited(ginlimit.WithCapacity(n))
			return engine, leaveMarks(ctx, engine, n, 1)
		})
		if err != nil {
			return nil, err
		}
		inFront, err := weighInFront(ctx, server, n)
		if err != nil {
			return nil, err
		}
		weights = append(weights,
			weight{"Redis, used_memory", n, inRedis},
			weight{"process, without Redis", n, inMemory},
			weight{"process, in front of Redis", n, inFront})
	}
	return weights, nil
}

func weighRedis(ctx context.Context, s *server, n int) (float64, error) {
	if err := s.admin.FlushAll(ctx).Err(); err != nil {
		return 0, err
	}
	before, err := s.number(ctx, "used_memory")
	if err != nil {
		return 0, err
	}
	if err := fill(ctx, s.admin, n); err != nil {
		return 0, err
	}
	after, err := s.number(ctx, "used_memory")
	return (after - before) / float64(n), err
}

// weighInFront counts what the process itself keeps of marks in Redis: the fallback and remembered denials.
func weighInFront(ctx context.Context, s *server, n int) (float64, error) {
	if err := s.admin.FlushAll(ctx).Err(); err != nil {
		return 0, err
	}
	client := redis.NewClient(&redis.Options{Addr: s.addr})
	defer client.Close()
	pipeliner, err := client.AutoPipeline() // to be done sooner
	if err != nil {
		return 0, err
	}
	const atOnce = 64
	warm := limited(ginlimit.WithRedis(pipeliner), ginlimit.WithPrefix("warm"))
	if err := leaveMarks(ctx, warm, 100*atOnce, atOnce); err != nil {
		return 0, err
	}
	return weighProcess(n, func() (*gin.Engine, error) {
		engine := limited(ginlimit.WithRedis(pipeliner), ginlimit.WithCapacity(n))
		return engine, leaveMarks(ctx, engine, n, atOnce)
	})
}

// weighProcess is the growth of the heap by what build leaves alive, per mark.
func weighProcess(n int, build func() (*gin.Engine, error)) (float64, error) {
	before := heap()
	engine, err := build()
	bytes := float64(heap() - before)
	runtime.KeepAlive(engine)
	return bytes / float64(n), err
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools kept through the first one
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
