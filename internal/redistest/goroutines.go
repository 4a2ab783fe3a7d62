package redistest

import (
	"runtime"
	"testing"
	"time"
)

const (
	goroutineSlack    = 2 // the runtime and net/http keep a few of their own
	goroutinePatience = 10 * time.Second
)

// CheckGoroutines fails the test if more goroutines are left after it than there
// are now. Call it first: cleanups run last to first, so the check then comes
// after those that stop servers and close clients. Not for parallel tests, which
// see each other's goroutines.
func CheckGoroutines(tb testing.TB) {
	tb.Helper()
	allowed := runtime.NumGoroutine() + goroutineSlack
	tb.Cleanup(func() {
		for end := time.Now().Add(goroutinePatience); time.Now().Before(end); time.Sleep(pollEvery) {
			if runtime.NumGoroutine() <= allowed {
				return
			}
		}
		tb.Errorf("%d goroutines are left, at most %d were expected:\n%s",
			runtime.NumGoroutine(), allowed, allStacks())
	})
}

func allStacks() []byte {
	stacks := make([]byte, 1<<20)
	return stacks[:runtime.Stack(stacks, true)]
}
