package marks

import (
	_ "embed"
	"time"

	"github.com/ginlimit/ginlimit/internal/line"
)

//go:embed sorted.lua
var sortedLua string

var sortedScript = line.NewScript(sortedLua)

// sorted are the marks of a limit from 2 to 127, exact to the millisecond: a sorted set of them by the end of each one's life.
type sorted struct {
	interval time.Duration
}

func (s *sorted) args(m *Mark) []any {
	return []any{s.interval.Milliseconds(), m.Limit, m.Cost}
}

func (s *sorted) taking(m *Mark) *line.Call {
	return callOf(m, sortedScript.Command(m.Key, append(s.args(m), members(m)...)...))
}

// members are the mark's: its token, and for a higher cost the integers behind it, which take less of Redis than strings.
func members(m *Mark) []any {
	all := []any{m.Token}
	for i := int64(1); i < m.Cost; i++ {
		all = append(all, m.Token+i)
	}
	return all
}

func (s *sorted) read(m *Mark, call *line.Call) (Verdict, bool) {
	reply, err := call.Commands[0].Reply()
	v, _ := scripted(m, reply, err, s.interval)
	return v, false
}

func (s *sorted) looking(m *Mark) *line.Call {
	return callOf(m, sortedScript.Command(m.Key, s.args(m)...))
}

func (s *sorted) seen(m *Mark, call *line.Call) Verdict {
	v, _ := s.read(m, call)
	v.Held = false
	return v
}

func (s *sorted) undoing(m *Mark) *line.Call {
	return callOf(m, line.NewCommand(append([]any{"zrem", m.Key}, members(m)...)...))
}
