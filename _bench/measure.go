package main

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"time"
)

// sample is one measurement, per request.
type sample struct{ ns, allocations, commands, redisCPU, median, p99 float64 }

// measure starts with an empty Redis and a new limiter.
func measure(ctx context.Context, p place, e entrant, l load) (sample, error) {
	if err := ctx.Err(); err != nil {
		return sample{}, err
	}
	if err := p.flush(ctx); err != nil {
		return sample{}, err
	}
	engine, err := e.engine(l.limit)
	if err != nil {
		return sample{}, err
	}
	l.status = http.StatusOK
	warm := load{atOnce: l.atOnce, fresh: true, status: l.status, duration: time.Second, most: 2 * l.atOnce}
	if _, err := warm.run(engine); err != nil {
		return sample{}, err
	}
	if !l.fresh {
		w := newWorker(engine)
		for range l.limit {
			w.serve(address(l.first)) // leaves a mark
		}
		if e.open != nil {
			l.status = http.StatusTooManyRequests
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	commands, cpu, err := p.used(ctx)
	if err != nil {
		return sample{}, err
	}
	runtime.ReadMemStats(&before)
	served, err := l.run(engine)
	if err != nil {
		return sample{}, err
	}
	runtime.ReadMemStats(&after)
	commandsAfter, cpuAfter, err := p.used(ctx)
	n := float64(served.requests)
	slices.Sort(served.each)
	return sample{
		ns:          served.ns(),
		allocations: float64(after.Mallocs-before.Mallocs) / n,
		commands:    max(0, commandsAfter-commands-float64(len(p.servers))) / n, // without the INFO itself
		redisCPU:    (cpuAfter - cpu) / n,
		median:      quantile(served.each, 0.5),
		p99:         quantile(served.each, 0.99),
	}, err
}

// quantile is 0 where nothing was timed.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(q*float64(len(sorted)))])
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
