package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
)

// fillAddress is a client's that no load comes from; there are 13 million.
func fillAddress(i int) string {
	return fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
}

// fill puts marks into Redis as ginlimit does.
func fill(ctx context.Context, client *redis.Client, marks int) error {
	const batch = 10_000
	for start := 0; start < marks; start += batch {
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := start; i < min(start+batch, marks); i++ {
				p.Set(ctx, "ginlimit:1/1h:"+route+":ip="+fillAddress(i), rand.Int64()|1, long)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// leaveMarks has marks left by allowed requests.
func leaveMarks(ctx context.Context, engine *gin.Engine, marks, atOnce int) error {
	var all sync.WaitGroup
	errs := make(chan error, atOnce)
	for part := range atOnce {
		all.Go(func() {
			w := newWorker(engine)
			defer w.close()
			for i := part; i < marks && ctx.Err() == nil; i += atOnce {
				if status := w.serve(fillAddress(i) + ":1"); status != http.StatusOK {
					errs <- fmt.Errorf("request %d got %d", i, status)
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	return ctx.Err()
}
