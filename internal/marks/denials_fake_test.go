package marks

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// fakeRedis is the store behind denials: it answers as Redis would, from a naive model, and can be slow, away and curt.
type fakeRedis struct {
	to, back time.Duration // how long a command takes, and its reply
	err      error
	local    Answer // what is decided in Redis's place
	panics   bool
	curt     bool // doesn't say how long a denial lasts

	mu     sync.Mutex
	ends   map[uint64][]int64 // of the live marks under each key
	asked  []asking           // takes that Redis was asked
	peeked []asking
	failed []asking // takes that were to be decided without asking
}

type asking struct {
	mark   Mark
	terms  Terms
	answer Verdict
}

const interval = time.Minute

func (f *fakeRedis) take(_ context.Context, m *Mark, t Terms) Verdict {
	if t.Failed != nil {
		f.note(&f.failed, m, t)
		return Verdict{Source: Memory, Err: t.Failed}
	}
	i := f.note(&f.asked, m, t)
	v := f.command(m, true)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[i].answer = v
	return v
}

func (f *fakeRedis) peek(_ context.Context, m *Mark, t Terms) Verdict {
	f.note(&f.peeked, m, t)
	return f.command(m, false)
}

// undo takes as many marks of the key away as this mark was, the oldest ones: they are all alike here.
func (f *fakeRedis) undo(_ context.Context, m *Mark, _ Terms) error {
	time.Sleep(f.to)
	f.mu.Lock()
	f.ends[m.Hash] = f.ends[m.Hash][min(m.Cost, f.alive(m.Hash, clock.Now())):]
	f.mu.Unlock()
	time.Sleep(f.back)
	return f.err
}

func (f *fakeRedis) forget(_ context.Context, m *Mark, _ Terms) error {
	time.Sleep(f.to)
	f.free(m.Hash)
	time.Sleep(f.back)
	return f.err
}

// free is what another process does, or DEL.
func (f *fakeRedis) free(hash uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.ends, hash)
}

func (f *fakeRedis) note(list *[]asking, m *Mark, t Terms) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	*list = append(*list, asking{mark: *m, terms: t})
	return len(*list) - 1
}

func (f *fakeRedis) command(m *Mark, leaves bool) Verdict {
	time.Sleep(f.to)
	defer time.Sleep(f.back)
	if f.panics {
		panic("hook")
	}
	if f.err != nil {
		return Verdict{Answer: f.local, Source: Memory, Err: f.err}
	}
	return f.run(m, leaves)
}

func (f *fakeRedis) run(m *Mark, leaves bool) Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := clock.Now()
	v := Verdict{Answer: Granted, Remaining: m.Limit - f.alive(m.Hash, t)}
	switch {
	case v.Remaining < m.Cost:
		v.Answer = Refused
	case leaves:
		for range m.Cost {
			f.ends[m.Hash] = append(f.ends[m.Hash], t+int64(interval))
		}
		v.Held, v.Remaining = true, v.Remaining-m.Cost
	}
	if v.Answer == Refused || v.Remaining == 0 {
		v.Wait = f.until(m, t)
		if v.Lasts = v.Wait; f.curt {
			v.Lasts = 0
		}
	}
	return v
}

func (f *fakeRedis) alive(hash uint64, t int64) int64 {
	if f.ends == nil {
		f.ends = map[uint64][]int64{}
	}
	f.ends[hash] = slices.DeleteFunc(f.ends[hash], func(end int64) bool { return end <= t })
	return int64(len(f.ends[hash]))
}

// until is the time until a cost fits.
func (f *fakeRedis) until(m *Mark, t int64) time.Duration {
	ends := f.ends[m.Hash]
	return time.Duration(ends[int64(len(ends))+m.Cost-m.Limit-1] - t)
}

// denies says whether Redis would refuse a mark now.
func (f *fakeRedis) denies(m *Mark) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alive(m.Hash, clock.Now()) > m.room()
}

func (f *fakeRedis) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}
