package test

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
)

const poolSize = 2

// pipelinePoolSize is the option of go-redis 9.23 for the pool of pipelines; the zero Value before.
func pipelinePoolSize(o *redis.Options) reflect.Value {
	return reflect.ValueOf(o).Elem().FieldByName("PipelinePoolSize")
}

// smallPool returns a client with few connections, for single commands and for pipelines.
func smallPool(addr string, honours bool) *redis.Client {
	options := &redis.Options{Addr: addr, PoolSize: poolSize, ContextTimeoutEnabled: honours}
	if size := pipelinePoolSize(options); size.IsValid() {
		size.SetInt(poolSize)
	}
	return redis.NewClient(options)
}

// exhaust holds all connections of a client until they are released.
func exhaust(t *testing.T, client *redis.Client, admin *redis.Client) (release func()) {
	var held []*redis.Conn
	for range poolSize {
		conn := client.Conn()
		assert.NoError(t, conn.Ping(context.Background()).Err()) // holds a connection from now on
		held = append(held, conn)
	}
	var blocked sync.WaitGroup
	if pipelinePoolSize(client.Options()).IsValid() {
		for range poolSize {
			blocked.Go(func() {
				_, _ = client.Pipelined(context.Background(), func(p redis.Pipeliner) error { p.BLPop(context.Background(), 2*time.Second, "nothing"); return nil })
			})
		}
		time.Sleep(100 * time.Millisecond) // between the limiter's own
	}
	return func() {
		for _, conn := range held {
			_ = conn.Close()
		}
		for range poolSize {
			admin.RPush(context.Background(), "nothing", 1)
		}
		blocked.Wait()
	}
}
