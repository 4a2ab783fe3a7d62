package line

import (
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
)

const (
	second = int64(time.Second)

	failuresInARow   = 3
	failuresOfMany   = 5 // where they are half of the last second's
	secondToProbe    = second
	bucket           = second / 10
	bucketsOfASecond = 10
)

// health is whether a node answers. One round trip is one observation.
type health struct {
	inARow  int // failed since the last success
	buckets [bucketsOfASecond]struct{ tenth, all, failed int64 }

	away    bool
	reason  error // of the last failure, until a round trip succeeds
	probed  int64 // when the last probe began
	probing bool

	warm bool // it has answered
}

func (h *health) count(t int64, failed int64) (allOfASecond, failedOfASecond int64) {
	tenth := t / bucket
	b := &h.buckets[tenth%bucketsOfASecond]
	if b.tenth != tenth {
		b.tenth, b.all, b.failed = tenth, 0, 0
	}
	b.all++
	b.failed += failed
	if failed == 0 {
		return 0, 0
	}
	for _, b := range h.buckets {
		if b.tenth > tenth-bucketsOfASecond {
			allOfASecond += b.all
			failedOfASecond += b.failed
		}
	}
	return allOfASecond, failedOfASecond
}

// failed says whether the node is away from now on.
func (h *health) failed(t int64, err error) bool {
	h.inARow++
	h.reason = err
	all, failed := h.count(t, 1)
	if h.away {
		return false
	}
	if h.inARow < failuresInARow && (failed < failuresOfMany || 2*failed < all) {
		return false
	}
	h.away, h.probed = true, t
	return true
}

// succeeded says whether the node was away until now.
func (h *health) succeeded(t int64) bool {
	h.count(t, 0)
	wasAway := h.away
	h.inARow, h.away, h.reason, h.warm = 0, false, nil, true
	return wasAway
}

// mayProbe says whether a command may ask a node that is away: one at a time, at most once a second.
func (h *health) mayProbe() bool {
	t := clock.Now()
	if h.probing || t < h.probed+secondToProbe {
		return false
	}
	h.probing, h.probed = true, t
	return true
}
