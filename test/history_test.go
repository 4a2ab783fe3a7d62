package test

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/marks"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// recorder is the history of all processes.
type recorder struct {
	start time.Time

	mu      sync.Mutex
	history []porcupine.Operation
	scripts int64 // that Redis has to run if it runs none twice
	errors  int
}

// run does an operation and records it. It says whether the request holds a mark.
func (r *recorder) run(t *testing.T, client int, s *marks.Set, limit int, interval time.Duration, v verb, m *marks.Mark) bool {
	var got marks.Verdict
	terms := marks.Terms{Wait: 10 * time.Second, Whole: true}
	o := operation{verb: v, key: m.Key, limit: limit, interval: interval, token: m.Token, call: time.Since(r.start)}
	if v == take {
		m.Asked = clock.Now()
		got = s.Take(t.Context(), m, terms)
	} else {
		got.Err = s.Undo(t.Context(), m, terms)
	}
	o.end = time.Since(r.start)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, events(client, o, answer{got.Err == nil, got.Answer == marks.Granted, int(got.Remaining)})...)
	if v == take && limit > 1 && got.Source == marks.Redis {
		r.scripts++
	}
	if got.Err != nil {
		r.errors++
	}
	return got.Held
}

func markOf(key string, limit int) *marks.Mark {
	return &marks.Mark{Key: key, Hash: max(1, maphash.String(seed, key)), Token: marks.NewToken(), Limit: int64(limit), Cost: 1}
}

var seed = maphash.MakeSeed()

// disturb delays, cuts and loses replies, each for less than a request may wait.
func disturb(p *redistest.Proxy, end time.Time) {
	for time.Now().Before(end) {
		lasting := 20 * time.Millisecond
		switch rand.IntN(5) {
		case 0:
			p.Delay(time.Duration(1+rand.IntN(20)) * time.Millisecond)
			lasting = 100 * time.Millisecond
		case 1, 2:
			p.CutNextReply()
		case 3:
			p.CutReplies()
		case 4:
			p.DropReplies()
		}
		time.Sleep(lasting)
		p.Pass()
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
	}
}

// TestHistoriesAreLinearizable holds, for requests and refunds of three processes behind a bad network: there is an
// order of them, each between its call and its answer, in which marks are what they are meant to be.
func TestHistoriesAreLinearizable(t *testing.T) {
	server := redistest.Start(t)
	r := &recorder{start: time.Now()}
	end := r.start.Add(5 * time.Second)
	var running sync.WaitGroup
	for process := range 3 {
		proxy := redistest.NewProxy(t, server.Addr())
		client := redis.NewClient(&redis.Options{
			Addr: proxy.Addr(), ContextTimeoutEnabled: process > 0,
			ReadTimeout: 100 * time.Millisecond, MaxRetries: 10, MaxRetryBackoff: 20 * time.Millisecond,
		})
		t.Cleanup(func() { _ = client.Close() })
		running.Go(func() { disturb(proxy, end) })
		for _, limit := range []int{1, 2} {
			for _, interval := range []time.Duration{400 * time.Millisecond, time.Hour} {
				s := marks.In(client, fmt.Sprint(limit, interval), marks.Policy{Limit: int64(limit), Interval: interval}, 1<<16)
				for sender := range 4 {
					running.Go(func() {
						for time.Now().Before(end) {
							second := time.Since(r.start) / time.Second // a key for each, or there are too many orders to check
							m := markOf(fmt.Sprintf("%d/%s/%d/%d", limit, interval, sender, second), limit)
							for range 1 + rand.IntN(2) {
								r.run(t, 4*process+sender, s, limit, interval, take, m)
								time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
							}
							if interval == time.Hour || rand.IntN(4) == 0 { // also where it holds no mark
								r.run(t, 4*process+sender, s, limit, interval, undo, m)
								time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
							}
						}
					})
				}
			}
		}
	}
	running.Wait()

	again := server.Calls("evalsha") - r.scripts
	t.Logf("%d operations, %d errors, %d scripts again", len(r.history), r.errors, again)
	require.Greater(t, again, int64(20), "replies were lost")
	start := time.Now()
	result, info := porcupine.CheckOperationsVerbose(marksModel, r.history, time.Minute)
	t.Logf("checked in %s", time.Since(start))
	if result != porcupine.Ok {
		page := filepath.Join(os.TempDir(), "ginlimit-history.html")
		t.Fatalf("%s: %v %s", result, porcupine.VisualizePath(marksModel, info, page), page)
	}
}
