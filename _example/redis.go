package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// memory is the Redis that both servers share.
type memory struct {
	options  redis.Options
	embedded *miniredis.Miniredis // nil: a real one
}

// openRedis reaches the Redis at a URL, or starts an embedded one where there is no URL.
func openRedis(ctx context.Context, rawURL string) (*memory, error) {
	logging.Disable() // go-redis tells of each failed dial; ginlimit tells once when Redis goes and once when it is back
	if rawURL == "" {
		embedded := miniredis.NewMiniRedis()
		embedded.ClockTTL(true) // or its marks would never expire: it is made for tests, where time stands still
		if err := embedded.Start(); err != nil {
			return nil, fmt.Errorf("the embedded Redis cannot start: %w", err)
		}
		return &memory{options: redis.Options{Addr: embedded.Addr(), ContextTimeoutEnabled: true}, embedded: embedded}, nil
	}

	options, err := redis.ParseURL(rawURL)
	if err != nil {
		if parse := (*url.Error)(nil); errors.As(err, &parse) {
			err = parse.Err // the whole text would show the password
		}
		return nil, fmt.Errorf("REDIS_URL must look like redis://localhost:6379 and does not: %w", err)
	}
	options.ContextTimeoutEnabled = true // so that a request never waits longer for Redis than it may
	m := &memory{options: *options}
	return m, m.ping(ctx)
}

func (m *memory) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	rdb := m.newClient()
	defer rdb.Close()
	if err := rdb.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("the Redis of REDIS_URL does not answer at %s: %w", m.options.Addr, err)
	}
	return nil
}

func (m *memory) newClient() *redis.Client {
	options := m.options
	return redis.NewClient(&options)
}

func (m *memory) close() {
	if m.embedded != nil {
		m.embedded.Close()
	}
}
