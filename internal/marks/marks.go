// Package marks says what a mark is and where it lives: in Redis, in this process, and as a denial that is remembered.
package marks

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Mark is the record of one allowed request, or of one that asks to be.
type Mark struct {
	Key   string
	Hash  uint64 // of the key, for tables in this process; never 0
	Token int64  // random, the same in all limiters of a request: tells its marks from the others under a key
	Asked int64  // the instant at which it was asked for
	Limit int64  // marks that may be alive at once, for this request's client
	Cost  int64  // marks that this request leaves, all or none; at least 1 and at most the limit

	place   place    // where it lies in this process's memory
	inRedis inGroups // where it lies in Redis, for a limit over 127
}

// A place is what an undo needs to tell a mark from the others under its key.
type place struct {
	serial uint32 // of its first slot
	group  uint32 // where marks are in groups: the number of its own among its slot's
	marks  int64  // that it left; 0: none, or taken back
}

// NewToken returns a random integer, which takes less of Redis than a string.
func NewToken() int64 { return rand.Int64() }

// A Policy is what all marks under a key have in common.
type Policy struct {
	Limit    int64 // 0: each request has its own
	Interval time.Duration
}

// MostSingle is the highest limit whose marks are kept one by one; above, they are kept in groups.
const MostSingle = 127

// MostLimit is the highest limit and cost: what a number in a script holds exactly.
const MostLimit = 1<<53 - 1

func (p Policy) grouped() bool { return p.Limit == 0 || p.Limit > MostSingle }

// Terms are what a request asks under.
type Terms struct {
	Local bool          // where Redis can't answer, this process's own marks decide
	Open  bool          // where it can't, the request is let through anyway
	Wait  time.Duration // how long Redis may hold it up, now
	Whole bool          // Wait is the whole timeout: if it runs out, that says something about Redis
	Mine  bool          // this request may have left a mark under this key through another client

	Full   int64 // until this instant it is remembered to be denied, so Redis is asked whether that still holds; or 0
	Failed error // why a request that this one waited for had no answer from Redis: decide without asking
}

// Answer is what a store says to a request.
type Answer int

const (
	Unanswered Answer = iota // Err says why
	Granted
	Refused
)

// Source is where an answer comes from.
type Source int

const (
	Redis  Source = iota // Redis answered
	Memory               // this process's own marks, or nobody
	Cache                // a denial by Redis that this process remembered
)

// A Verdict is a store's answer.
type Verdict struct {
	Answer    Answer
	Source    Source
	Held      bool          // the request holds marks of its own
	Remaining int64         // marks that this client may still leave now
	Wait      time.Duration // until this cost could pass, where it was refused or nothing remains
	Lasts     time.Duration // from Asked on, this cost can't pass for so long; 0: Redis didn't say
	Err       error         // why Redis could not answer, where it could not
	Crowded   bool          // the capacity is reached, so a live mark was given up

	endless bool // the mark in the way had no end, or one beyond the interval
}

func refused(wait time.Duration, source Source) Verdict {
	return Verdict{Answer: Refused, Source: source, Wait: wait}
}

// A store keeps marks. Stores are wrapped around each other: denials, around outages, around Redis.
type store interface {
	// take leaves the mark if it leaves no more marks alive than the limit.
	take(ctx context.Context, m *Mark, t Terms) Verdict
	// undo takes the mark m back, and no other.
	undo(ctx context.Context, m *Mark, t Terms) error
	// peek says what take would, and leaves nothing.
	peek(ctx context.Context, m *Mark, t Terms) Verdict
	// forget takes all marks under a key away.
	forget(ctx context.Context, m *Mark, t Terms) error
}
