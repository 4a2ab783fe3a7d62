package marks

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

func TestScratchBench(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	ctx := context.Background()
	common, _ := os.ReadFile("groups.lua")
	take, _ := os.ReadFile("groups_take.lua")
	hash := client.ScriptLoad(ctx, string(common)+string(take)).Val()
	n := 30000
	for _, interval := range []int{60000, 1000} {
		for round := range 2 {
			server.ResetStats()
			for i := 0; i < n; i += 100 {
				p := client.Pipeline()
				for range 100 {
					p.EvalSha(ctx, hash, []string{fmt.Sprint("k", interval, round)}, NewToken(), interval, 5000000, 1)
				}
				if _, err := p.Exec(ctx); err != nil {
					t.Fatal(err)
				}
			}
			info := client.Info(ctx, "commandstats").Val()
			for _, l := range strings.Split(info, "\r\n") {
				if strings.Contains(l, "cmdstat") {
					t.Log(interval, l)
				}
			}
		}
	}
}
