package marks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/line"
)

// clocked runs the scripts' own text on a clock of the test's: the line that asks Redis for the time reads KEYS[2] instead.
type clocked struct {
	t       *testing.T
	client  redis.Cmdable
	now     int64 // milliseconds, ahead of the server's so that no key expires by itself
	known   map[string]string
	slowest time.Duration
}

const timeLine = "local time = redis.call('TIME')\n"

func newClocked(t *testing.T, client redis.Cmdable) *clocked {
	c := &clocked{t: t, client: client, now: time.Now().Add(24 * time.Hour).UnixMilli(), known: map[string]string{}}
	for _, source := range []string{singleUndo, sortedLua, groupsLua + groupsTake, groupsLua + groupsUndo} {
		text := strings.Replace(source, timeLine,
			"local time = {math.floor(KEYS[2] / 1000), KEYS[2] % 1000 * 1000 + 999}\n", 1)
		require.NotContains(t, text, "TIME")
		hash, err := client.ScriptLoad(t.Context(), text).Result()
		require.NoError(t, err)
		c.known[line.NewScript(source).Command("").Args()[1].(string)] = hash
	}
	return c
}

func (c *clocked) Do(ctx context.Context, call *line.Call, _ time.Duration, _ bool) error {
	for _, command := range call.Commands {
		args := command.Args()
		if args[0] == "evalsha" {
			args = append([]any{"evalsha", c.known[args[1].(string)], 2, args[3], c.now}, args[4:]...)
		}
		start := time.Now()
		reply, err := c.client.(interface {
			Do(ctx context.Context, args ...any) *redis.Cmd
		}).Do(ctx, args...).Result()
		c.slowest = max(c.slowest, time.Since(start))
		switch {
		case errors.Is(err, redis.Nil) || err != nil:
			command.SetErr(err)
		default:
			command.SetVal(reply)
		}
	}
	return nil
}

func (c *clocked) Post(call *line.Call) { _ = c.Do(c.t.Context(), call, patient, false) }

// takes runs a mark, and demands that Redis answers.
func (c *clocked) takes(r *redisMarks, m *Mark) Verdict {
	c.t.Helper()
	v, unread := r.take(c.t.Context(), c, m, Terms{Wait: patient})
	require.NoError(c.t, v.Err)
	require.Nil(c.t, unread)
	return v
}

func (c *clocked) undoes(r *redisMarks, m *Mark) {
	c.t.Helper()
	require.NoError(c.t, r.undo(c.t.Context(), c, m, Terms{Wait: patient}))
}

func (c *clocked) looks(r *redisMarks, m *Mark) Verdict {
	c.t.Helper()
	v := r.peek(c.t.Context(), c, m, Terms{Wait: patient})
	require.NoError(c.t, v.Err)
	require.False(c.t, v.Held)
	return v
}
