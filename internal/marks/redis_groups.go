package marks

import (
	_ "embed"
	"time"

	"github.com/ginlimit/ginlimit/internal/line"
)

var (
	//go:embed groups.lua
	groupsLua string
	//go:embed groups_take.lua
	groupsTake string
	//go:embed groups_undo.lua
	groupsUndo string

	groupsTakeScript = line.NewScript(groupsLua + groupsTake)
	groupsUndoScript = line.NewScript(groupsLua + groupsUndo)
)

// redisGroups are the marks of a limit over 127, or one that each request has for itself: constant memory at any limit.
type redisGroups struct {
	interval time.Duration
}

func newRedisGroups(interval time.Duration) *redisGroups { return &redisGroups{interval} }

// inGroups is what a refund needs to know of a mark in Redis.
type inGroups struct {
	generation string
	number     int64
}

func (g *redisGroups) call(m *Mark, token any) *line.Call {
	return callOf(m, groupsTakeScript.Command(m.Key, token, g.interval.Milliseconds(), m.Limit, m.Cost))
}

func (g *redisGroups) taking(m *Mark) *line.Call {
	call := g.call(m, m.Token)
	call.Few = true
	return call
}

func (g *redisGroups) looking(m *Mark) *line.Call { return g.call(m, "") }

func (g *redisGroups) read(m *Mark, call *line.Call) (Verdict, bool) {
	reply, err := call.Commands[0].Reply()
	v, rest := scripted(m, reply, err, g.interval)
	if v.Err != nil {
		return v, false
	}
	if len(rest) != 2 {
		return Verdict{Err: errReply}, false
	}
	generation, isText := rest[0].(string)
	number, isNumber := rest[1].(int64)
	if !isText || !isNumber {
		return Verdict{Err: errReply}, false
	}
	m.inRedis = inGroups{generation, number}
	return v, false
}

func (g *redisGroups) seen(m *Mark, call *line.Call) Verdict {
	looked := *m
	v, _ := g.read(&looked, call)
	v.Held = false
	return v
}

func (g *redisGroups) undoing(m *Mark) *line.Call {
	call := callOf(m, groupsUndoScript.Command(m.Key, m.Token, m.Cost, m.inRedis.generation, m.inRedis.number))
	call.Few, call.Once = true, true // the script recognises only the last 8 requests
	return call
}
