package ginlimit

import (
	"context"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"time"
)

// A store keeps marks. Stores are wrapped around each other; see newLimiter.
type store interface {
	// take leaves the mark m if fewer marks than the limit are alive under its key. A store that can't answer returns
	// a verdict whose err says why and which decides nothing.
	take(ctx context.Context, m mark) verdict
	// undo takes the mark m back, and no other.
	undo(ctx context.Context, m mark) error
}

// A mark is the record of one allowed request, or of one that asks to be.
type mark struct {
	key   string
	hash  uint64 // of the key, for tables in this process; never 0
	token int64  // random: tells this request's mark from the others under its key
	asked int64  // the instant at which it was asked for
	full  int64  // the instant until which the key is remembered to be full, where it is
}

var seed = maphash.MakeSeed()

func newMark(key string) mark {
	return mark{key: key, hash: max(1, maphash.String(seed, key)), token: newToken(), asked: now()}
}

// newToken returns a random integer, which takes less of Redis than a string.
func newToken() int64 { return rand.Int64() }

// A verdict is a store's answer.
type verdict struct {
	outcome   Outcome
	source    Source
	held      bool // the request holds a mark of its own
	remaining int
	wait      time.Duration // until a mark frees up, where remaining is 0
	err       error         // why Redis could not answer
}

func granted(remaining int, wait time.Duration, source Source) verdict {
	return verdict{outcome: Allowed, held: true, remaining: remaining, wait: wait, source: source}
}

func refused(wait time.Duration, source Source) verdict {
	return verdict{outcome: Denied, wait: wait, source: source}
}

// epoch is long past, so that every instant is after 0, also on a test's clock that stands in the year 2000.
var epoch = time.Now().Add(-100 * 365 * 24 * time.Hour)

// now is the instant in nanoseconds since the epoch, on this process's monotonic clock.
func now() int64 { return int64(time.Since(epoch)) }

// after is the instant d after t, without overflow for the longest durations.
func after(t int64, d time.Duration) int64 {
	if t > math.MaxInt64-int64(d) {
		return math.MaxInt64
	}
	return t + int64(d)
}
