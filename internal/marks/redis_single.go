package marks

import (
	_ "embed"
	"strconv"
	"time"

	"github.com/ginlimit/ginlimit/internal/line"
)

//go:embed single_undo.lua
var singleUndo string

// single is the one mark of a limit of 1: a string, and no script but for refunds. So it is exact also on servers and proxies
// that have none.
type single struct {
	interval     time.Duration
	milliseconds int64
	undo         *line.Script
}

func newSingle(interval time.Duration) *single {
	return &single{interval, interval.Milliseconds(), line.NewScript(singleUndo)}
}

func (s *single) set(m *Mark) *line.Command {
	return line.NewCommand("set", m.Key, m.Token, "px", s.milliseconds, "nx")
}

func (s *single) taking(m *Mark) *line.Call { return callOf(m, s.set(m)) }

// asking also tells whose the mark is that is in the way, and how long it lives. GETEX reads as GET does, but is no command
// for a replica.
func (s *single) asking(m *Mark) *line.Call {
	return callOf(m, s.set(m), line.NewCommand("getex", m.Key), line.NewCommand("pttl", m.Key))
}

func (s *single) read(m *Mark, call *line.Call) (Verdict, bool) {
	reply, err := call.Commands[0].Reply()
	switch {
	case err != nil:
		return Verdict{Err: err}, false
	case reply == "OK":
		return Verdict{Answer: Granted, Source: Redis, Held: true, Wait: s.interval, Lasts: s.interval}, false
	case reply != nil:
		return Verdict{Err: errReply}, false
	case len(call.Commands) > 1:
		return s.whose(m, call.Commands[1:])
	case call.Repeated: // the mark in the way may be its own
		return Verdict{Err: errReply}, true
	}
	return refused(s.interval, Redis), true
}

// whose reads GETEX and PTTL. A mark that is gone meanwhile is to be asked for again.
func (s *single) whose(m *Mark, commands []*line.Command) (v Verdict, gone bool) {
	holder, err := commands[0].Reply()
	if err != nil {
		return Verdict{Err: err}, false
	}
	reply, err := commands[1].Reply()
	ttl, isNumber := reply.(int64)
	switch {
	case err != nil:
		return Verdict{Err: err}, false
	case !isNumber || ttl < -2:
		return Verdict{Err: errReply}, false
	case holder == nil || ttl == -2:
		return Verdict{Err: errReply}, true
	}
	v = Verdict{Answer: Refused, Source: Redis}
	if holder == strconv.FormatInt(m.Token, 10) {
		v.Answer, v.Held = Granted, true
	}
	if ttl == -1 || ttl > s.milliseconds {
		v.endless, ttl = true, s.milliseconds
	}
	v.Lasts = time.Duration(ttl) * time.Millisecond
	v.Wait = aMillisecondAfter(v.Lasts)
	return v, false
}

func (s *single) looking(m *Mark) *line.Call {
	return callOf(m, line.NewCommand("getex", m.Key), line.NewCommand("pttl", m.Key))
}

func (s *single) seen(m *Mark, call *line.Call) Verdict {
	v, gone := s.whose(&Mark{Token: ^m.Token}, call.Commands)
	if gone {
		return Verdict{Answer: Granted, Source: Redis, Wait: s.interval}
	}
	return v
}

func (s *single) undoing(m *Mark) *line.Call { return callOf(m, s.undo.Command(m.Key, m.Token)) }
