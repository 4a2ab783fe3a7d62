package redistest

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// Dial returns a client of an address as services are advised to make it, closed when the test ends.
func Dial(tb testing.TB, addr string) *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	tb.Cleanup(func() { _ = client.Close() })
	return client
}
