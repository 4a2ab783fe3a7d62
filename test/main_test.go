// Package test holds the limiter to its promises from outside, mostly on real servers.
package test

import (
	"os"
	"testing"
	"time"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(workerEnv); addr != "" {
		work(addr)
		return
	}
	m.Run()
}

var quiet = ginlimit.WithLogger(gintest.Discard)

// patient keeps a noisy machine from looking like a Redis that can't answer.
var patient = ginlimit.WithTimeout(10 * time.Second)

// margin is how much later than promised a noisy machine may be.
const margin = 2 * time.Second

// everywhere runs a test with marks in this process and with marks in a real Redis.
func everywhere(t *testing.T, test func(t *testing.T, where ...ginlimit.Option)) {
	t.Run("memory", func(t *testing.T) { test(t, quiet) })
	t.Run("redis", func(t *testing.T) {
		test(t, quiet, patient, ginlimit.WithRedis(redistest.Dial(t, redistest.Start(t).Addr())))
	})
}

// with returns the options of a test after those that say where marks live.
func with(where []ginlimit.Option, opts ...ginlimit.Option) []ginlimit.Option {
	return append(append([]ginlimit.Option{}, where...), opts...)
}
