package line

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"

	"github.com/redis/go-redis/v9"
)

// A Command is one command to Redis and its reply. go-redis doesn't send it again by itself (NoRetry): what was answered
// must never be asked twice, and which part of a pipeline was answered only the line knows.
type Command struct {
	*redis.Cmd
	script *Script
}

// NoRetry keeps go-redis from sending the command again.
func (c *Command) NoRetry() bool { return true }

// NewCommand returns the command that these arguments spell.
func NewCommand(args ...any) *Command {
	return &Command{Cmd: redis.NewCmd(context.Background(), args...)}
}

// Reply returns what Redis answered: nil without an error where that was a null. It looks at the value first, because
// go-redis stamps the error of a connection that broke later also on commands that were answered before.
func (c *Command) Reply() (any, error) {
	value, err := c.Result()
	if value != nil || errors.Is(err, redis.Nil) {
		return value, nil
	}
	return nil, err
}

// A Script is a Lua script, sent by its hash and, where Redis doesn't know it yet, once in full.
type Script struct {
	source, hash string
}

// NewScript returns a script.
func NewScript(source string) *Script {
	sum := sha1.Sum([]byte(source)) // the name that EVALSHA wants
	return &Script{source: source, hash: hex.EncodeToString(sum[:])}
}

// Command returns the command that runs the script on one key.
func (s *Script) Command(key string, args ...any) *Command {
	all := append(make([]any, 0, 4+len(args)), "evalsha", s.hash, 1, key)
	c := NewCommand(append(all, args...)...)
	c.script = s
	return c
}

// A Call is what one request asks of one key: commands that travel together, in this order.
type Call struct {
	Key      string
	Commands []*Command
	Few      bool // at most 8 calls of this key go in one batch, as many as its script recognises if they come again
}
