package ginlimit

import (
	"context"
	_ "embed"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed mark.lua
	markLua string
	//go:embed marks.lua
	marksLua string
	//go:embed undo.lua
	undoLua string
)

var errReply = errors.New("ginlimit: Redis sent a reply of an unexpected shape")

// redisMarks keeps marks in Redis: a string for a limit of 1, a sorted set for any other. No clock but Redis's own takes
// part in its decisions.
type redisMarks struct {
	client   redis.Cmdable
	limit    int
	interval time.Duration
	script   *redis.Script
	unmark   *redis.Script

	milliseconds any       // the interval; kept, so that it is put into an interface once
	processor    processor // the client, where it is go-redis's own
}

// processor sends a command as it is given, which saves SetArgs' own work: three allocations.
type processor interface {
	Process(context.Context, redis.Cmder) error
}

// processorOf leaves out what a user has wrapped around a client, because its SetArgs may be its own.
func processorOf(client redis.Cmdable) processor {
	switch client.(type) {
	case *redis.Client, *redis.ClusterClient, *redis.Ring, *redis.AutoPipeliner:
		return client.(processor)
	}
	return nil
}

func newRedisMarks(cfg config) *redisMarks {
	script := marksLua
	if cfg.limit == 1 {
		script = markLua
	}
	return &redisMarks{
		client: cfg.client, processor: processorOf(cfg.client), limit: cfg.limit, interval: cfg.interval,
		script: redis.NewScript(script), unmark: redis.NewScript(undoLua),
		milliseconds: cfg.interval.Milliseconds(),
	}
}

// take asks with a plain SET where the limit is 1: a script costs Redis three times as much, so it decides only what SET
// has refused, or would. go-redis sends a command again whose reply was lost; the scripts know the token then.
func (r *redisMarks) take(ctx context.Context, m mark) verdict {
	if r.limit > 1 || m.full > 0 && m.full > now() {
		return r.run(ctx, m)
	}
	reply, err := r.set(ctx, m)
	switch {
	case errors.Is(err, redis.Nil):
		return r.run(ctx, m)
	case err != nil:
		return verdict{err: err}
	case reply != "OK":
		return verdict{err: errReply}
	}
	return granted(0, r.interval, Redis)
}

func (r *redisMarks) set(ctx context.Context, m mark) (string, error) {
	if r.processor == nil {
		return r.client.SetArgs(ctx, m.key, m.token, redis.SetArgs{Mode: "NX", TTL: r.interval}).Result()
	}
	set := redis.NewStatusCmd(ctx, "set", m.key, m.token, "px", r.milliseconds, "nx")
	_ = r.processor.Process(ctx, set) // set knows
	return set.Result()
}

func (r *redisMarks) run(ctx context.Context, m mark) verdict {
	reply, err := r.script.Run(ctx, r.client, []string{m.key}, m.token, r.interval.Milliseconds(), r.limit).Result()
	if err != nil {
		return verdict{err: err}
	}
	return r.read(reply)
}

// read turns a script's reply into a verdict. What is not exactly such a reply decides nothing.
func (r *redisMarks) read(reply any) verdict {
	values, _ := reply.([]any)
	if len(values) != 3 {
		return verdict{err: errReply}
	}
	allowed, isInt0 := values[0].(int64)
	remaining, isInt1 := values[1].(int64)
	milliseconds, isInt2 := values[2].(int64)
	most := r.interval.Milliseconds()
	switch {
	case !isInt0 || !isInt1 || !isInt2,
		remaining < 0 || remaining >= int64(r.limit),
		milliseconds < 0 || milliseconds > most+1:
		return verdict{err: errReply}
	}
	wait := time.Duration(min(milliseconds, most)) * time.Millisecond
	switch allowed {
	case 1:
		return granted(int(remaining), wait, Redis)
	case 0:
		return refused(wait, Redis)
	}
	return verdict{err: errReply}
}

func (r *redisMarks) undo(ctx context.Context, m mark) error {
	return r.unmark.Run(ctx, r.client, []string{m.key}, m.token, r.limit).Err()
}

// isOneKeys tells an error that belongs to one key, which says nothing about Redis as a whole.
func isOneKeys(err error) bool {
	return err != nil && strings.Contains(err.Error(), "WRONGTYPE") // inside a script, older servers put words before it
}
