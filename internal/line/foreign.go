package line

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// sendForeign runs a call's commands through the methods of a client that isn't one of go-redis's own: a wrapper that adds a
// tenant to each key, a mock, the automatic pipeliner.
func (n *Node) sendForeign(ctx context.Context, c *Call) {
	for _, command := range c.Commands {
		value, err := command.by(ctx, n.line.client)
		switch {
		case err != nil:
			command.SetErr(err)
		case value == nil:
			command.SetErr(redis.Nil)
		default:
			command.SetVal(value)
		}
		if err != nil && !errors.Is(err, redis.Nil) {
			stamp(commandsOf([]*Call{c}), err)
			return
		}
	}
}

// by runs the command through the client's own method for it.
func (c *Command) by(ctx context.Context, client redis.Cmdable) (any, error) {
	args := c.Args()
	key, _ := args[min(1, len(args)-1)].(string)
	switch args[0] {
	case "set": // key token px milliseconds nx
		milliseconds, _ := args[4].(int64)
		return text(client.SetArgs(ctx, key, args[2], redis.SetArgs{
			Mode: "NX", TTL: time.Duration(milliseconds) * time.Millisecond,
		}).Result())
	case "get", "getex": // a method for GETEX would change the key's TTL
		return text(client.Get(ctx, key).Result())
	case "pttl":
		return milliseconds(client.PTTL(ctx, key).Result())
	case "pexpire": // key milliseconds
		ms, _ := args[2].(int64)
		done, err := client.PExpire(ctx, key, time.Duration(ms)*time.Millisecond).Result()
		return number(done), err
	case "del":
		n, err := client.Del(ctx, key).Result()
		return n, err
	case "zrem": // key members
		n, err := client.ZRem(ctx, key, args[2:]...).Result()
		return n, err
	case "evalsha": // hash 1 key arguments
		keys := []string{args[3].(string)}
		value, err := client.EvalSha(ctx, c.script.hash, keys, args[4:]...).Result()
		if isNoScript(err) {
			value, err = client.Eval(ctx, c.script.source, keys, args[4:]...).Result()
		}
		return value, err
	}
	return nil, fmt.Errorf("ginlimit: no method is known for %v", args[0])
}

func text(value string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return value, nil
}

// milliseconds undoes what go-redis makes of PTTL: -1 and -2 stay as they are.
func milliseconds(d time.Duration, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if d < 0 {
		return int64(d), nil
	}
	return d.Milliseconds(), nil
}

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
