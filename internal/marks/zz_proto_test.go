package marks

import (
	"context"
	"strings"
	"testing"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

func TestScratchProto(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	ctx := context.Background()
	loop := func(body string) string {
		return `local x, token = 1795696367497, ARGV[1]
local header = '["5577006791947779410",123456,100,1795696367497,1234,1795696367497,12345,1795696367497,1795696367497,1234," 5577006791947779410:12345 5577006791947779411:12345 5577006791947779412:12345 5577006791947779413:12345 5577006791947779414:12345 5577006791947779415:12345 5577006791947779416:12345 5577006791947779417:12345"]'
local plain = '5577006791947779410 123456 100 1795696367497 1234 1795696367497 12345 1795696367497 1795696367497 1234 5577006791947779410:12345 5577006791947779411:12345 5577006791947779412:12345 5577006791947779413:12345 5577006791947779414:12345 5577006791947779415:12345 5577006791947779416:12345 5577006791947779417:12345'
local recent = ' 5577006791947779410:12345 5577006791947779411:12345 5577006791947779412:12345 5577006791947779413:12345 5577006791947779414:12345 5577006791947779415:12345 5577006791947779416:12345 5577006791947779417:12345'
for i = 1, 1000 do
` + body + `
end
return 1`
	}
	run := func(name, body string) {
		s := loop(body)
		hash, err := client.ScriptLoad(ctx, s).Result()
		if err != nil {
			t.Fatal(err)
		}
		best := 1e9
		for range 12 {
			server.ResetStats()
			for range 5 {
				if err := client.EvalSha(ctx, hash, []string{"k"}, "5577006791947779499").Err(); err != nil {
					t.Fatal(name, err)
				}
			}
			info := client.Info(ctx, "commandstats").Val()
			for _, l := range strings.Split(info, "\r\n") {
				if rest, ok := strings.CutPrefix(l, "cmdstat_evalsha:calls=5,usec="); ok {
					n := 0.0
					for _, c := range rest {
						if c == ',' {
							break
						}
						n = n*10 + float64(c-'0')
					}
					best = min(best, n/5000)
				}
			}
		}
		t.Logf("%-30s %.2f µs", name, best)
	}
	run("empty", "")
	run("cjson", "local a,b,c,d,e,f,g,h,i,j,k = unpack(cjson.decode(header))")
	run("match10", "local a,b,c,d,e,f,g,h,i,j,k = plain:match('^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (.*)')")
	run("match10+tonumber", "local a,b,c,d,e,f,g,h,i,j,k = plain:match('^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (.*)'); b,c,d,e,f,g,h,i,j=tonumber(b),tonumber(c),tonumber(d),tonumber(e),tonumber(f),tonumber(g),tonumber(h),tonumber(i),tonumber(j)")
	run("format10 %.0f", `local s = string.format('["%s",%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,"%s"]', token, 123456, 100, x, 1234, x, 12345, x, x, 1234, recent)`)
	run("format10 %d", `local s = string.format('["%s",%d,%d,%d,%d,%d,%d,%d,%d,%d,"%s"]', token, 123456, 100, x, 1234, x, 12345, x, x, 1234, recent)`)
	run("concat", `local s = token .. ' ' .. 123456 .. ' ' .. 100 .. ' ' .. x .. ' ' .. 1234 .. ' ' .. x .. ' ' .. 12345 .. ' ' .. x .. ' ' .. x .. ' ' .. 1234 .. ' ' .. recent`)
	run("cjson.encode", `local s = cjson.encode({token, 123456, 100, x, 1234, x, 12345, x, x, 1234, recent})`)
	run("known match", `local k = recent:match(' ' .. token .. ':(%d+)')`)
	run("known find plain", `local k = recent:find(token, 1, true)`)
	run("drop first", `local k = recent:match('^ %S+(.*)')`)
	run("drop first find", `local k = recent:sub(recent:find(' ', 2, true))`)
	run("append", `local k = string.format('%s %s:%.0f', recent, token, 12345)`)
	run("append concat", `local k = recent .. ' ' .. token .. ':' .. 12345`)
	run("closures", `local function a() return token end local function b() return recent end local function c() return recent end`)
	run("TIME", `local time = redis.call('TIME')`)
	run("LINDEX", `local time = redis.call('LINDEX', KEYS[1], -1)`)
	run("EXISTS", `local time = redis.call('EXISTS', KEYS[1])`)
	run("tonumber", `local k = tonumber(token)`)
	run("1795696367497*1000 str", `local k = '1795696367'*1000 + math.floor('123456'/1000)`)
	run("rep", `local k = string.rep(' -', 8)`)
}
