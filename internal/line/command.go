package line

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// A Command is one command to Redis and its reply. go-redis doesn't send it again by itself (NoRetry): what was answered
// must never be asked twice, and which part of a pipeline was answered only the line knows.
type Command struct {
	*redis.Cmd
	script *Script
	moved  bool // a cluster's node said that another one answers for the key
}

// NewCommand returns the command that these arguments spell.
func NewCommand(args ...any) *Command {
	return &Command{Cmd: redis.NewCmd(context.Background(), args...)}
}

// NoRetry keeps go-redis from sending the command again.
func (c *Command) NoRetry() bool { return true }

// SetErr is how go-redis tells what it read.
func (c *Command) SetErr(err error) {
	if err != nil && strings.HasPrefix(err.Error(), "MOVED ") {
		c.moved = true
	}
	c.Cmd.SetErr(err)
}

// Reply returns what Redis answered: nil without an error where that was a null. It looks at the value first, because
// go-redis stamps the error of a connection that broke later also on commands that were answered before.
func (c *Command) Reply() (any, error) {
	value, err := c.Result()
	switch {
	case value != nil || errors.Is(err, redis.Nil):
		return value, nil
	case err == nil:
		return nil, errNoReply
	}
	return nil, err
}

// errNoReply stands for the reply of a command that a hook of the client has swallowed.
var errNoReply = errors.New("ginlimit: the Redis client sent no reply")

// again returns the command as it was before it was sent.
func (c *Command) again() *Command {
	fresh := NewCommand(c.Args()...)
	fresh.script = c.script
	return fresh
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

// inFull returns the command with the script's text.
func (c *Command) inFull() *Command {
	args := append([]any{"eval", c.script.source}, c.Args()[2:]...)
	return &Command{Cmd: redis.NewCmd(context.Background(), args...), script: c.script}
}
