package marks

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// BenchmarkRedisTake reports how long Redis itself is busy with a mark, by its own watch: the best of a few rounds, because the
// others shared the processor.
func BenchmarkRedisTake(b *testing.B) {
	server := redistest.Start(b)
	client := server.Client()
	for _, limit := range []int64{1, 100, 1e6} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			s := storeIn(client, Policy{Limit: limit, Interval: time.Second})
			best := 1e9
			for b.Loop() {
				server.ResetStats()
				for range 1000 {
					require.NoError(b, s.take(markOf(fmt.Sprint("key", limit), limit, 1)).Err)
				}
				best = min(best, busy(b, client.Info(b.Context(), "commandstats").Val()))
			}
			b.ReportMetric(best, "redis-µs/take")
		})
	}
}

// busy is the time that one of a thousand calls took, with all their commands but those inside a script.
func busy(b *testing.B, stats string) float64 {
	sum := 0
	for line := range strings.Lines(stats) {
		name, rest, _ := strings.Cut(line, ":")
		switch name {
		case "cmdstat_evalsha", "cmdstat_eval", "cmdstat_set", "cmdstat_getex", "cmdstat_pttl":
			var calls, took int
			_, err := fmt.Sscanf(rest, "calls=%d,usec=%d", &calls, &took)
			require.NoError(b, err)
			sum += took
		}
	}
	return float64(sum) / 1000
}
