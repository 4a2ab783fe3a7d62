// Package gintest sends requests to a Gin engine with a limiter, and reads what it logs.
package gintest

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// Two clients that are not on this machine.
const (
	Alice = "203.0.113.7:1000"
	Bob   = "203.0.113.8:2000"
)

// Margin is how much later than promised a noisy machine may be.
const Margin = 2 * time.Second

// Options for most tests. Patient keeps a noisy machine from looking like a Redis that can't answer.
var (
	Quiet   = ginlimit.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	Patient = ginlimit.WithTimeout(10 * time.Second)
)

func init() { gin.SetMode(gin.TestMode) }

// Router returns an engine without trusted proxies.
func Router() *gin.Engine {
	r := gin.New()
	if err := r.SetTrustedProxies(nil); err != nil {
		panic(err)
	}
	return r
}

// OK is a handler.
func OK(c *gin.Context) { c.String(http.StatusOK, "done") }

// Request sends a request from an address, "ip:port", and returns the response.
func Request(h http.Handler, method, path, from string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, nil)
	req.RemoteAddr = from
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// Everywhere runs a test with marks in this process and with marks in a real Redis.
func Everywhere(t *testing.T, test func(t *testing.T, where ...ginlimit.Option)) {
	t.Run("memory", func(t *testing.T) { test(t, Quiet) })
	t.Run("redis", func(t *testing.T) {
		test(t, Quiet, ginlimit.WithRedis(Client(t, redistest.Start(t).Addr())), Patient)
	})
}

// Client returns a client that honours deadlines, closed when the test ends.
func Client(t testing.TB, addr string) *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// With returns the options of a test after those that say where marks live.
func With(where []ginlimit.Option, opts ...ginlimit.Option) []ginlimit.Option {
	return append(append([]ginlimit.Option{}, where...), opts...)
}

// Log collects what a limiter logs.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// Option lets a limiter log here.
func (l *Log) Option() ginlimit.Option {
	return ginlimit.WithLogger(slog.New(slog.NewJSONHandler(l, nil)))
}

// Entries returns the log lines so far.
func (l *Log) Entries() (entries []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil {
			entries = append(entries, entry)
		}
	}
	return entries
}

// Codes returns the codes of the log lines so far.
func (l *Log) Codes() (codes []string) {
	for _, entry := range l.Entries() {
		codes = append(codes, entry["code"].(string))
	}
	return codes
}
