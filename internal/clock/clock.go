// Package clock tells instants on this process's monotonic clock as plain numbers, which tables can hold and atomics can
// swap.
package clock

import (
	"math"
	"time"
)

// epoch is long past, so that every instant is after 0, also on a test's clock that stands in the year 2000.
var epoch = time.Now().Add(-100 * 365 * 24 * time.Hour)

// Now is the instant in nanoseconds since the epoch.
func Now() int64 { return int64(time.Since(epoch)) }

// After is the instant d after t, without overflow for the longest durations.
func After(t int64, d time.Duration) int64 {
	if t > math.MaxInt64-int64(d) {
		return math.MaxInt64
	}
	return t + int64(d)
}
