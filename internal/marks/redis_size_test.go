package marks

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

const (
	likelyKey = "ginlimit:1000/1m:/pay:ip=203.0.113.207"
	mostBytes = 4096
)

func bytesOf(t *testing.T, client *redis.Client, key string) int64 {
	t.Helper()
	n, err := client.MemoryUsage(t.Context(), key, 0).Result()
	require.NoError(t, err)
	return n
}

// slowestScript is the longest call of a script since the statistics were reset, by Redis's own watch.
func slowestScript(t *testing.T, client *redis.Client) time.Duration {
	t.Helper()
	info, err := client.Info(t.Context(), "latencystats").Result()
	require.NoError(t, err)
	for line := range strings.Lines(info) {
		if rest, found := strings.CutPrefix(line, "latency_percentiles_usec_evalsha:"); found {
			var median, most, slowest float64
			_, err := fmt.Sscanf(strings.TrimSpace(rest), "p50=%f,p99=%f,p99.9=%f", &median, &most, &slowest)
			require.NoError(t, err)
			return time.Duration(slowest * float64(time.Microsecond))
		}
	}
	return 0
}

func TestAStringTakesLittleOfRedis(t *testing.T) {
	client := redistest.Start(t).Client()
	s := storeIn(client, Policy{Limit: 1, Interval: time.Minute})
	for range 20 { // tokens of all lengths
		require.True(t, s.take(markOf(likelyKey, 1, 1)).Held)
		require.LessOrEqual(t, bytesOf(t, client, likelyKey), int64(128))
		client.Del(t.Context(), likelyKey)
	}
}

func TestGroupsTakeConstantMemory(t *testing.T) {
	for _, limit := range []int64{129, 1000, 5000, 1e6, MostLimit} {
		for _, interval := range []time.Duration{time.Minute, 30 * 24 * time.Hour} {
			server := redistest.Start(t)
			c := newClocked(t, server.Client())
			r := newRedisMarks(Policy{Limit: limit, Interval: interval})
			width := (interval.Milliseconds() + 127) / 128
			most := int64(0)
			server.ResetStats()
			for i := range int64(300) {
				c.takes(r, markOf(likelyKey, limit, max(1, limit/129-1)))
				most = max(most, bytesOf(t, server.Client(), likelyKey))
				c.now += width - 1 // the group's youngest is as late as can be
				if limit/129 > 1 {
					c.takes(r, markOf(likelyKey, limit, 1))
				}
				c.now++
				if i == 150 {
					length := server.Client().LLen(t.Context(), likelyKey).Val()
					assert.GreaterOrEqual(t, length, int64(128), "as many groups as there can be")
				}
			}
			c.now += interval.Milliseconds() + 1 // all end at once
			server.ResetStats()
			require.Equal(t, limit-1, c.takes(r, markOf(likelyKey, limit, 1)).Remaining)
			assert.EqualValues(t, 1, server.Client().LLen(t.Context(), likelyKey).Val())
			t.Logf("%d/%s: %d bytes, %s", limit, interval, most, slowestScript(t, server.Client()))
			assert.LessOrEqual(t, most, int64(mostBytes))
		}
	}
}

// A call is measured a few times, and the fastest counts: the others had to share the processor.
const measured = 5

func TestGroupsEndInLittleTimeHoweverMany(t *testing.T) {
	walk, drop := time.Hour, time.Hour
	server := redistest.Start(t)
	c := newClocked(t, server.Client())
	r := newRedisMarks(Policy{Limit: 1000, Interval: 128 * time.Second})
	for range measured {
		for range 129 {
			require.True(t, c.takes(r, markOf("key", 1000, 1)).Held)
			c.now += 1000
		}
		c.now -= 1000
		server.ResetStats()
		want := c.takes(r, markOf("key", 1000, 999)) // walks over every closed group to say until when
		require.Equal(t, Refused, want.Answer)
		require.EqualValues(t, 127*time.Second+time.Millisecond, want.Wait)
		walk = min(walk, slowestScript(t, server.Client()))
		c.now += 127_000
		server.ResetStats()
		require.EqualValues(t, 997, c.takes(r, markOf("key", 1000, 1)).Remaining, "two were left within the interval")
		drop = min(drop, slowestScript(t, server.Client()))
		c.now += 300_000
	}
	t.Log(walk, drop)
	assert.Less(t, max(walk, drop), time.Millisecond)
}

func TestASortedSetStaysPackedHoweverManyExpire(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	c := newClocked(t, client)
	r := newRedisMarks(Policy{Limit: MostSingle, Interval: time.Minute})
	most, took := int64(0), time.Hour
	for range measured {
		for range MostSingle {
			require.True(t, c.takes(r, markOf(likelyKey, MostSingle, 1)).Held)
			c.now++
		}
		most = max(most, bytesOf(t, client, likelyKey))
		require.Equal(t, Refused, c.takes(r, markOf(likelyKey, MostSingle, 1)).Answer)
		c.now += time.Minute.Milliseconds() + 1
		server.ResetStats()
		require.EqualValues(t, 0, c.takes(r, markOf(likelyKey, MostSingle, MostSingle)).Remaining)
		took = min(took, slowestScript(t, client))
		require.EqualValues(t, MostSingle, client.ZCard(t.Context(), likelyKey).Val())
		most = max(most, bytesOf(t, client, likelyKey))
		require.Equal(t, "listpack", client.ObjectEncoding(t.Context(), likelyKey).Val())
		c.now += time.Minute.Milliseconds() + 1
	}
	t.Logf("%d bytes, %s", most, took)
	assert.Less(t, most, int64(mostBytes))
	assert.Less(t, took, time.Millisecond)
}
