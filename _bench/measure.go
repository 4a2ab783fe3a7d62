package main

import (
	"context"
	"net/http"
	"runtime"
	"slices"
)

// sample is one measurement, per request.
type sample struct{ ns, allocations, commands, redisCPU float64 }

// measure starts with an empty Redis and a new limiter.
func measure(ctx context.Context, s *server, e entrant, l load) (sample, error) {
	if err := ctx.Err(); err != nil {
		return sample{}, err
	}
	if err := s.admin.FlushAll(ctx).Err(); err != nil {
		return sample{}, err
	}
	engine, err := e.engine(e.client)
	if err != nil {
		return sample{}, err
	}
	l.status = http.StatusOK
	warm := load{atOnce: l.atOnce, fresh: true, status: l.status, duration: l.duration, most: 2 * l.atOnce}
	if _, _, err := warm.run(engine); err != nil {
		return sample{}, err
	}
	if !l.fresh {
		newWorker(engine).serve(address(l.first)) // leaves the mark
		if e.limiter != nil {
			l.status = http.StatusTooManyRequests
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	commands, cpu, err := s.used(ctx)
	if err != nil {
		return sample{}, err
	}
	runtime.ReadMemStats(&before)
	n, took, err := l.run(engine)
	if err != nil {
		return sample{}, err
	}
	runtime.ReadMemStats(&after)
	commandsAfter, cpuAfter, err := s.used(ctx)
	return sample{
		ns:          float64(took) / float64(n),
		allocations: float64(after.Mallocs-before.Mallocs) / float64(n),
		commands:    max(0, commandsAfter-commands-1) / float64(n), // without the INFO itself
		redisCPU:    (cpuAfter - cpu) / float64(n),
	}, err
}

func median(samples []sample, of func(sample) float64) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, of(s))
	}
	return middle(values)
}

// medianRatio compares within each round, so that a slow moment of the machine counts for both.
func medianRatio(samples, base []sample) float64 {
	var ratios []float64
	for round := range samples {
		ratios = append(ratios, samples[round].ns/base[round].ns)
	}
	return middle(ratios)
}

func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}
