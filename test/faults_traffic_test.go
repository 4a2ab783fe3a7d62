package test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
)

// process is a limiter with a client of its own, under steady traffic from clients that each come back.
type process struct {
	name   string
	router *gin.Engine
	logged *gintest.Log

	clients atomic.Int64 // how many there are so far
	byRedis atomic.Int64 // decisions
	stop    chan struct{}
	senders sync.WaitGroup

	mu      sync.Mutex
	allowed map[int64]int // requests by client
	answers map[int]int   // by status
	slowest time.Duration
}

func startProcess(name string, client redis.Cmdable, opts ...ginlimit.Option) *process {
	p := &process{
		name: name, router: gintest.NewRouter(), logged: &gintest.Log{}, stop: make(chan struct{}),
		allowed: map[int64]int{}, answers: map[int]int{},
	}
	opts = append(opts, ginlimit.WithLogger(p.logged.Logger()), ginlimit.WithRedis(client), ginlimit.WithInterval(time.Minute),
		ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) {
			if d.Source == ginlimit.FromRedis && d.Err == nil {
				p.byRedis.Add(1)
			}
		}))
	p.router.Use(gin.RecoveryWithWriter(io.Discard))
	p.router.GET("/x", ginlimit.New(opts...), gintest.OK)
	for range 8 {
		p.senders.Go(p.send)
	}
	return p
}

func (p *process) send() {
	for {
		select {
		case <-p.stop:
			return
		case <-time.After(5 * time.Millisecond):
			fresh := p.clients.Add(1)
			p.ask(fresh)
			p.ask(max(1, fresh-rand.Int64N(300)))
		}
	}
}

func (p *process) ask(client int64) {
	start := time.Now()
	from := fmt.Sprintf("10.%d.%d.%d:1", client>>16&255, client>>8&255, client&255)
	status := gintest.Request(p.router, "GET", "/x", from).Code
	took := time.Since(start)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[status]++
	p.slowest = max(p.slowest, took)
	if status == 200 {
		p.allowed[client]++
	}
}

// waitForRedis waits until Redis decides again, and says how long it took.
func (p *process) waitForRedis(t *testing.T) time.Duration {
	start, before := time.Now(), p.byRedis.Load()
	for p.byRedis.Load() < before+20 {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("%s: Redis does not decide again; log: %v", p.name, p.logged.Entries())
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(start)
}

// finish stops the traffic and checks what its clients have seen.
func (p *process) finish(t *testing.T, limit int) {
	close(p.stop)
	p.senders.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for client, n := range p.allowed {
		if n > limit {
			t.Errorf("%s: client %d got %d requests through", p.name, client, n)
		}
	}
	for status := range p.answers {
		assert.Contains(t, []int{200, 429}, status, p.name)
	}
	assert.NotEmpty(t, p.answers[429], p.name)
	assert.Less(t, p.slowest, 200*time.Millisecond+margin, p.name)
}
