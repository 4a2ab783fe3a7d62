package test

import (
	"cmp"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/marks"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// record lets three processes run for a while, each behind a proxy of its own, and checks what they have seen.
func record(t *testing.T, atOnce int, most time.Duration, disturb func(*redistest.Proxy)) {
	server := redistest.Start(t)
	r := &recorder{start: time.Now()}
	end := r.start.Add(5 * time.Second)
	var clients []redis.Cmdable
	var running sync.WaitGroup
	for process := range 3 {
		proxy := redistest.NewProxy(t, server.Addr())
		client := redis.NewClient(&redis.Options{
			Addr: proxy.Addr(), ContextTimeoutEnabled: process > 0, ReadTimeout: 100 * time.Millisecond,
		})
		t.Cleanup(func() { _ = client.Close() })
		clients = append(clients, client)
		running.Go(func() {
			for time.Now().Before(end) {
				disturb(proxy)
			}
			proxy.Pass()
		})
	}
	for process := range clients {
		for _, p := range policies {
			sets := []*marks.Set{p.open(clients[process]), p.open(clients[(process+1)%3])}
			for sender := range atOnce {
				running.Go(func() { r.send(t, process*atOnce+sender, sender, p, sets, most, end) })
			}
		}
	}
	running.Wait()
	t.Logf("%d operations, %d errors", r.asked, r.errors)
	require.Greater(t, int(r.asked)-r.errors, 1000, "most are answered")
	start := time.Now()
	result, info := porcupine.CheckOperationsVerbose(marksModel, r.history, time.Minute)
	t.Logf("checked in %s", time.Since(start))
	if result != porcupine.Ok {
		logIllegal(t, r.history)
		page := filepath.Join(os.TempDir(), "ginlimit-history.html")
		t.Fatalf("%s: %v %s", result, porcupine.VisualizePath(marksModel, info, page), page)
	}
}

// logIllegal tells what happened to the first key whose history has no order.
func logIllegal(t *testing.T, history []porcupine.Operation) {
	for _, ofAKey := range marksModel.Partition(history) {
		if porcupine.CheckOperationsTimeout(marksModel, ofAKey, 10*time.Second) == porcupine.Ok {
			continue
		}
		slices.SortFunc(ofAKey, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
		for _, o := range ofAKey {
			t.Logf("%d: %s to %s: %s", o.ClientId, time.Duration(o.Call), time.Duration(o.Return),
				marksModel.DescribeOperation(o.Input, o.Output))
		}
		return
	}
}

// TestHistoriesAreLinearizable holds, for requests and refunds of three processes behind a bad network: there is an
// order of them, each between its call and its answer, in which marks are what they are meant to be.
func TestHistoriesAreLinearizable(t *testing.T) {
	record(t, 4, 60*time.Millisecond, func(p *redistest.Proxy) {
		lasting := 20 * time.Millisecond
		switch rand.IntN(40) { // where all are lost, Redis is away for a second
		case 0:
			p.CutReplies()
		case 1:
			p.DropReplies()
		case 2, 3, 4, 5:
			p.Delay(rand.N(20*time.Millisecond) + 1)
			lasting = 100 * time.Millisecond
		default:
			p.CutNextReply()
		}
		time.Sleep(lasting)
		p.Pass()
		time.Sleep(rand.N(60 * time.Millisecond))
	})
}

// TestHistoriesThroughBatches cuts the replies of pipelines in the middle: those that were answered are answered, and the
// rest is asked for again or fails.
func TestHistoriesThroughBatches(t *testing.T) {
	var cuts atomic.Int64
	record(t, 8, 30*time.Millisecond, func(p *redistest.Proxy) {
		p.Delay(3 * time.Millisecond) // so that more requests go together
		time.Sleep(20 * time.Millisecond)
		cuts.Add(1)
		p.CutNextInTheMiddle(100)
		time.Sleep(30 * time.Millisecond)
	})
	t.Logf("%d pipelines cut", cuts.Load())
}
