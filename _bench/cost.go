package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"time"

	"github.com/gin-gonic/gin"
)

// cost is the time of one allowed request, as a ratio to the first of its list.
type cost struct {
	Of          string  `json:"of"`
	Ratio       float64 `json:"ratio"`
	Nanoseconds float64 `json:"nanoseconds"`
}

type subject struct {
	name   string
	engine *gin.Engine
}

const warmUp = 1000 // requests

// compare measures allowed requests, whose marks add to the live ones.
func compare(ctx context.Context, subjects []subject, s settings, atOnce int) ([]cost, error) {
	atOnce = s.counts(atOnce)[0]
	samples := make([][]sample, len(subjects))
	first := make([]int, len(subjects)) // address of each that is still fresh
	for i, one := range subjects {
		warm := load{atOnce: atOnce, fresh: true, status: http.StatusOK, duration: time.Minute, most: warmUp}
		served, err := warm.run(one.engine)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.name, err)
		}
		first[i] = served.requests
	}
	for range s.rounds {
		for _, i := range rand.Perm(len(subjects)) {
			one := subjects[i]
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			runtime.GC()
			l := load{
				atOnce: atOnce, fresh: true, first: first[i], status: http.StatusOK, duration: s.duration,
				most: (mostAddresses - warmUp) / s.rounds,
			}
			served, err := l.run(one.engine)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", one.name, err)
			}
			first[i] += served.requests
			samples[i] = append(samples[i], sample{ns: served.ns()})
		}
	}
	var costs []cost
	for i, one := range subjects {
		costs = append(costs, cost{
			Of: one.name, Ratio: medianRatio(samples[i], samples[0]),
			Nanoseconds: median(samples[i], func(s sample) float64 { return s.ns }),
		})
	}
	return costs, nil
}
