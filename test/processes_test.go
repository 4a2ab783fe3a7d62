package test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// workerEnv holds a Redis address and makes this test binary a process with a limiter of its own: it reads commands from
// standard input, "prefix limit requests at-once" a line, and answers each with the number of allowed requests.
const workerEnv = "GINLIMIT_TEST_WORKER"

func work(addr string) {
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	routers := map[string]*gin.Engine{} // by prefix
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var prefix string
		var limit, requests, atOnce int
		if _, err := fmt.Sscan(in.Text(), &prefix, &limit, &requests, &atOnce); err != nil {
			panic(err)
		}
		r := routers[prefix]
		if r == nil {
			r = Router()
			r.GET("/x", New(Quiet, Patient, WithRedis(client), WithPrefix(prefix), WithLimit(limit), WithInterval(time.Hour)), OK)
			routers[prefix] = r
		}
		fmt.Println("ready")
		in.Scan() // go
		var allowed, left atomic.Int64
		left.Store(int64(requests))
		var senders sync.WaitGroup
		for range atOnce {
			senders.Go(func() {
				for left.Add(-1) >= 0 {
					if Request(r, "GET", "/x", Alice).Code == 200 {
						allowed.Add(1)
					}
				}
			})
		}
		senders.Wait()
		fmt.Println(allowed.Load())
	}
}

// worker is another process of the same service.
type worker struct {
	in  *os.File
	out *bufio.Scanner
}

func startWorkers(t *testing.T, n int, addr string) []worker {
	workers := make([]worker, n)
	for i := range workers {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), workerEnv+"="+addr)
		command.Stderr = os.Stderr
		ours, theirs, err := os.Pipe()
		require.NoError(t, err)
		command.Stdin = ours
		out, err := command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		t.Cleanup(func() {
			_ = theirs.Close() // ends it
			_ = command.Wait()
			_ = ours.Close()
		})
		workers[i] = worker{theirs, bufio.NewScanner(out)}
	}
	return workers
}

// release lets all workers run a command at once and returns how many requests were allowed in all.
func release(t *testing.T, workers []worker, command string) (allowed int) {
	for _, w := range workers {
		_, err := fmt.Fprintln(w.in, command)
		require.NoError(t, err)
	}
	for _, w := range workers {
		require.True(t, w.out.Scan())
		require.Equal(t, "ready", w.out.Text())
	}
	for _, w := range workers {
		_, err := fmt.Fprintln(w.in, "go")
		require.NoError(t, err)
	}
	for _, w := range workers {
		require.True(t, w.out.Scan())
		n, err := strconv.Atoi(strings.TrimSpace(w.out.Text()))
		require.NoError(t, err)
		allowed += n
	}
	return allowed
}

func TestFourProcessesLetExactlyTheLimitThroughAtOnce(t *testing.T) {
	workers := startWorkers(t, 4, redistest.Start(t).Addr())
	for _, limit := range []int{1, 7} {
		for round := range 50 {
			allowed := release(t, workers, fmt.Sprintf("p%d.%d %d 250 250", limit, round, limit))
			require.Equal(t, limit, allowed, "round %d", round)
		}
	}
}

func TestAFloodCostsRedisTwoCommandsPerSecondAndProcess(t *testing.T) {
	server := redistest.Start(t)
	workers := startWorkers(t, 5, server.Addr())
	start := time.Now()
	require.Equal(t, 1, release(t, workers, "flood 1 20000 64"))
	for range 4 {
		require.Zero(t, release(t, workers, "flood 1 20000 64"))
	}
	took := time.Since(start)
	commands := server.Calls("set", "evalsha", "eval") // also counts EVAL after EVALSHA, for each process that is the first
	t.Logf("%d commands for 500,000 requests in %s", commands, took)
	require.LessOrEqual(t, commands, 5*(2+2*int64(took/time.Second+1)))
}
