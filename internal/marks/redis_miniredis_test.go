package marks

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// miniredis is what users test their programs with.
func TestMiniredisAnswersAsRedisDoes(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	for _, limit := range []int64{2, 127, 128, 1e6, MostLimit} {
		policy := Policy{Limit: limit, Interval: time.Second}
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			seed := rand.Uint64()
			t.Log("seed", seed)
			w := &walker{clocked: newClocked(t, client), marks: newRedisMarks(policy), model: newNaive(policy),
				policy: policy, limit: limit, random: rand.New(rand.NewPCG(seed, 0)), key: fmt.Sprint(limit)}
			for range 300 {
				w.structure(w.step())
				w.pass()
			}
		})
	}
}

func TestMarksEndOnMiniredis(t *testing.T) {
	server := miniredis.RunT(t)
	server.ClockTTL(true)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	const interval = 100 * time.Millisecond
	for _, limit := range []int64{1, 3, 128} {
		s := storeIn(client, Policy{Limit: limit, Interval: interval})
		key := fmt.Sprint(limit)
		start := time.Now()
		require.True(t, s.take(markOf(key, limit, limit)).Held)
		v := s.take(markOf(key, limit, 1))
		require.NoError(t, v.Err)
		require.NoError(t, s.peek(markOf(key, limit, 1)).Err)
		require.Eventually(t, func() bool { return s.take(markOf(key, limit, 1)).Held }, patient, time.Millisecond)
		require.GreaterOrEqual(t, time.Since(start), interval)
	}
}
