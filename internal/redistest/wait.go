package redistest

import (
	"testing"
	"time"
)

const (
	// patience bounds every wait for a process. It is generous because it only
	// costs time when something is wrong.
	patience = 60 * time.Second

	// pollEvery is the pause between two looks.
	pollEvery = 20 * time.Millisecond
)

// waitUntil polls done and fails the test when it stays false for patience.
func waitUntil(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(pollEvery) {
		if done() {
			return
		}
	}
	tb.Fatalf("waited %s in vain until %s", patience, what)
}
