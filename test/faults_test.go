package test

import (
	"cmp"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// TestFaults holds, for every way in which Redis can't answer and every kind of client: no request fails or waits longer
// than twice the timeout, no client gets more through a process than its limit, before, during and after, FromRedis decides
// again within two seconds, and no goroutine stays behind.
func TestFaults(t *testing.T) {
	for name, prepare := range faults {
		t.Run(name, func(t *testing.T) {
			redistest.CheckGoroutines(t)
			fault := prepare(t)
			var processes []*process
			for kind, client := range map[string]redis.Cmdable{
				"honours deadlines": fault.dial(true),
				"default":           fault.dial(false),
				"pipeliner":         pipelinerOf(t, fault.dial(false)),
			} {
				t.Cleanup(func() { _ = client.(io.Closer).Close() })
				limit := cmp.Or(fault.limit, 1+rand.IntN(2))
				processes = append(processes, startProcess(kind, client, ginlimit.WithLimit(limit)))
				defer processes[len(processes)-1].finish(t, limit)
			}
			for _, p := range processes {
				p.waitForRedis(t)
			}
			fault.begin()
			time.Sleep(1200 * time.Millisecond)
			fault.end()
			for _, p := range processes {
				took := p.waitForRedis(t)
				t.Logf("%s: Redis decides again after %s; %v", p.name, took, p.logged.Codes())
				assert.Less(t, took, 2*time.Second+margin, p.name)
			}
			time.Sleep(500 * time.Millisecond) // of hand-back
			for _, p := range processes {
				gone := slices.Contains(p.logged.Codes(), "GL5")
				if name == "Sentinel failover" && !gone { // it can pass without one failed command
					continue
				}
				assert.True(t, gone, p.name)
				assert.Eventually(t, func() bool { return slices.Contains(p.logged.Codes(), "GL6") }, margin+2*time.Second,
					time.Millisecond, p.name)
			}
		})
	}
}

func pipelinerOf(t *testing.T, client redis.UniversalClient) redis.Cmdable {
	t.Cleanup(func() { _ = client.Close() })
	pipeliner, err := client.(interface {
		AutoPipeline() (*redis.AutoPipeliner, error)
	}).AutoPipeline()
	require.NoError(t, err)
	return pipeliner
}
