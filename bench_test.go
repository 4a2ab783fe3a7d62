package ginlimit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
)

// nowhere is a Redis that grants at once. So what is measured is this package's and the client's.
type nowhere struct{}

func (nowhere) DialHook(next redis.DialHook) redis.DialHook { return next }

func (nowhere) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, command redis.Cmder) error {
		command.(interface{ SetVal(any) }).SetVal("OK")
		return nil
	}
}

func (nowhere) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// bench sends one request again and again through a router, without a writer's allocations.
type bench struct {
	router  *gin.Engine
	request *http.Request
	header  http.Header
	status  int
}

func newBench(tb testing.TB, opts ...Option) *bench {
	b := &bench{router: Router(), request: httptest.NewRequest("POST", "/pay", nil), header: http.Header{}}
	ctx, cancel := context.WithCancel(context.Background()) // as a server's
	tb.Cleanup(cancel)
	b.request = b.request.WithContext(ctx)
	b.router.POST("/pay", New(append(opts, Quiet, WithInterval(time.Hour))...), func(*gin.Context) {})
	b.send(Alice)
	return b
}

func (b *bench) Header() http.Header         { return b.header }
func (b *bench) Write(p []byte) (int, error) { return len(p), nil }
func (b *bench) WriteHeader(status int)      { b.status = status }

func (b *bench) send(from string) int {
	b.status = http.StatusOK
	clear(b.header)
	b.request.RemoteAddr = from
	b.router.ServeHTTP(b, b.request)
	return b.status
}

func overRedis(tb testing.TB) Option {
	client := Client(tb, "localhost:0")
	client.AddHook(nowhere{})
	return WithRedis(client)
}

// addresses are made before what is measured.
func addresses(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "10." + strconv.Itoa(i>>16&255) + "." + strconv.Itoa(i>>8&255) + "." + strconv.Itoa(i&255) + ":1"
	}
	return all
}

// TestAllocations counts on top of what the router itself allocates, which is nothing.
func TestAllocations(t *testing.T) {
	for name, opts := range map[string][]Option{"redis": {overRedis(t)}, "memory": nil} {
		b := newBench(t, opts...)
		denied := testing.AllocsPerRun(1000, func() {
			if b.send(Alice) != http.StatusTooManyRequests {
				t.Fail()
			}
		})
		assert.LessOrEqual(t, denied, 3.0, "denied, %s", name)

		fresh := addresses(2001)
		allowed := testing.AllocsPerRun(len(fresh)-1, func() {
			if b.send(fresh[0]) != http.StatusOK {
				t.Fail()
			}
			fresh = fresh[1:]
		})
		t.Logf("%s: %.0f allocations denied, %.0f allowed", name, denied, allowed)
	}
}

func BenchmarkAllowed(b *testing.B) {
	run := func(b *testing.B, opts ...Option) {
		bench, clients := newBench(b, opts...), addresses(1<<20)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ { // by the time a client comes again, the capacity has let go of its mark
			if bench.send(clients[i&(len(clients)-1)]) != http.StatusOK {
				b.Fatal("denied")
			}
		}
	}
	b.Run("redis", func(b *testing.B) { run(b, overRedis(b)) })
	b.Run("memory", func(b *testing.B) { run(b) })
}

func BenchmarkDenied(b *testing.B) {
	run := func(b *testing.B, opts ...Option) {
		bench := newBench(b, opts...)
		b.ReportAllocs()
		for b.Loop() {
			if bench.send(Alice) != http.StatusTooManyRequests {
				b.Fatal("allowed")
			}
		}
	}
	b.Run("redis", func(b *testing.B) { run(b, overRedis(b)) })
	b.Run("memory", func(b *testing.B) { run(b) })
}
