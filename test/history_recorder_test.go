package test

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/marks"
)

// policy is what all marks of a set have in common. Each of the three kinds lies otherwise in Redis.
type policy struct {
	limit    int
	interval time.Duration
	grouped  bool // as where each request says its own limit
}

func (p policy) open(client redis.Cmdable) *marks.Set {
	of := marks.Policy{Limit: int64(p.limit), Interval: p.interval}
	if p.grouped {
		of.Limit = 0
	}
	return marks.In(client, fmt.Sprint(p), of, 65536)
}

// late is for how much longer than the interval a mark may live.
func (p policy) late() time.Duration {
	if p.grouped {
		return (p.interval/time.Millisecond + 127) / 128 * time.Millisecond
	}
	return 0
}

var policies = []policy{
	{1, 400 * time.Millisecond, false}, {1, time.Hour, false},
	{2, 400 * time.Millisecond, false}, {2, time.Hour, false},
	{2, 400 * time.Millisecond, true}, {2, time.Hour, true},
}

// recorder is the history of all processes.
type recorder struct {
	start time.Time
	epoch [64]atomic.Int64 // of the keys of a sender

	mu      sync.Mutex
	history []porcupine.Operation
	errors  int
	asked   int64
}

var seed = maphash.MakeSeed()

// key returns a sender's key, the same in all processes: another one each second and after each answer that is not known,
// or there are too many orders to check.
func (r *recorder) key(p policy, sender int) string {
	return fmt.Sprintf("%v/%d/%d/%d", p, sender, time.Since(r.start)/time.Second, r.epoch[sender].Load())
}

// run does an operation and records it. It says whether there was an answer.
func (r *recorder) run(t *testing.T, client, sender int, p policy, set *marks.Set, v verb, m *marks.Mark) bool {
	var got marks.Verdict
	o := operation{
		verb: v, key: m.Key, limit: p.limit, interval: p.interval, late: p.late(), token: m.Token, call: time.Since(r.start),
	}
	m.Asked = clock.Now()
	terms := marks.Terms{Wait: 10 * time.Second, Whole: true, Mine: true}
	if v == take {
		got = set.Take(t.Context(), m, terms)
	} else {
		got.Err = set.Undo(t.Context(), m, terms)
	}
	o.end = time.Since(r.start)

	r.mu.Lock()
	defer r.mu.Unlock()
	if got.Source == marks.Cache && got.Err == nil { // another's mark may have been given back meanwhile
		return true
	}
	known := answer{got.Err == nil, got.Answer == marks.Granted, int(got.Remaining)}
	r.history = append(r.history, events(client, o, known)...)
	r.asked++
	if got.Err != nil {
		r.errors++
		r.epoch[sender].Add(1)
	}
	return got.Err == nil
}

// send takes marks and gives them back until the end, each request maybe through two of the sets.
func (r *recorder) send(t *testing.T, client, sender int, p policy, sets []*marks.Set, most time.Duration, end time.Time) {
	rest := func() { time.Sleep(rand.N(most)) }
	for time.Now().Before(end) {
		key := r.key(p, sender)
		m := &marks.Mark{Key: key, Hash: maphash.String(seed, key), Token: marks.NewToken(), Limit: int64(p.limit), Cost: 1}
		isKnown := r.run(t, client, sender, p, sets[0], take, m)
		rest()
		if !isKnown {
			time.Sleep(200 * time.Millisecond) // Redis is away, and the answer would come at once
		}
		set := sets[0]
		if rand.IntN(3) == 0 { // a limiter over another client; from here on the mark is as that one knows it
			again := *m
			m, set = &again, sets[1]
			isKnown = r.run(t, client, sender, p, set, take, m)
			rest()
		}
		if isKnown && (p.interval == time.Hour || rand.IntN(4) == 0) { // also where it holds no mark
			r.run(t, client, sender, p, set, undo, m)
			rest()
		}
	}
}
