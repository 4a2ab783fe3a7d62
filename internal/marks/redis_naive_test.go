package marks

import (
	"slices"
	"time"
)

// naive is what the scripts shall do, as simply as it can be written. With a width of 1 each mark is its own group, as in
// sorted sets; with more, a group takes marks for so long.
type naive struct {
	interval, width int64 // milliseconds
	sorted          bool
	groups          []naiveGroup       // the oldest first
	of              map[int64]int      // a token's group
	recent          []int64            // tokens; a list of groups recognises 8
	exact           map[int64]leftMark // what is truly alive
	next            int
	real            int64 // milliseconds that have truly passed: the server's clock may go back, as after a failover
}

type naiveGroup struct {
	id                     int
	first, youngest, marks int64
}

type leftMark struct{ left, cost int64 }

func newNaive(p Policy) *naive {
	n := &naive{interval: p.Interval.Milliseconds(), width: 1, sorted: !p.grouped()}
	if p.grouped() {
		n.width = (n.interval + 127) / 128
	}
	n.clear()
	return n
}

func (n *naive) clear() {
	n.groups, n.of, n.recent, n.exact = nil, map[int64]int{}, nil, map[int64]leftMark{}
}

// moved are the groups as a slower clock than the one that wrote them sees them.
func (n *naive) moved(now int64) []naiveGroup {
	moved := slices.Clone(n.groups)
	for i := range moved {
		ahead := moved[i].youngest - now
		if !n.sorted {
			ahead = n.groups[len(moved)-1].youngest - now
		}
		if ahead = max(0, ahead); ahead > 0 {
			moved[i].first, moved[i].youngest = moved[i].first-ahead, moved[i].youngest-ahead
		}
	}
	return moved
}

func (n *naive) recognises(token int64) bool {
	known := n.recent
	if !n.sorted {
		known = known[max(0, len(known)-8):]
	}
	return slices.Contains(known, token)
}

func (n *naive) remember(token int64) {
	n.recent = append(slices.DeleteFunc(n.recent, func(t int64) bool { return t == token }), token)
}

// take is what a script answers. Without a mark to leave it looks.
func (n *naive) take(m *Mark, now int64, looks bool) Verdict {
	groups := n.moved(now)
	wrote := n.sorted && !looks
	alive := slices.DeleteFunc(slices.Clone(groups), func(g naiveGroup) bool { return g.youngest < now-n.interval })
	wrote = wrote || !looks && !slices.Equal(alive, n.groups)
	total := int64(0)
	for _, g := range alive {
		total += g.marks
	}
	v := Verdict{Answer: Refused, Source: Redis}
	own := !looks && n.recognises(m.Token) && slices.ContainsFunc(alive, func(g naiveGroup) bool {
		return g.id == n.of[m.Token]
	})
	after := slices.Clone(alive)
	if own || m.Cost <= m.Limit-total {
		v.Answer, v.Held = Granted, !looks
		if !own {
			wrote = wrote || !looks
			total += m.Cost
			after = n.leave(after, m.Cost, now)
		}
	}
	if v.Remaining = max(0, m.Limit-total); v.Remaining == 0 || v.Answer == Refused {
		ms := n.until(after, total-m.Limit+m.Cost, now) - now + 1
		v.Wait, v.Lasts = time.Duration(ms)*time.Millisecond, time.Duration(ms-1)*time.Millisecond
	}
	if wrote {
		n.groups = alive
		if n.sorted && (own || !v.Held) {
			n.groups = groups // what has ended goes when something is added
		}
	}
	if v.Held && !own {
		n.groups = after
		n.of[m.Token] = after[len(after)-1].id
		n.next++
		n.remember(m.Token)
		n.exact[m.Token] = leftMark{n.real, m.Cost}
	}
	return v
}

func (n *naive) leave(groups []naiveGroup, cost, now int64) []naiveGroup {
	if last := len(groups) - 1; !n.sorted && last >= 0 && now-groups[last].first < n.width {
		groups[last].youngest = now
		groups[last].marks += cost
		return groups
	}
	return append(groups, naiveGroup{n.next + 1, now, now, cost})
}

// until is the last millisecond in which more marks than fit are alive.
func (n *naive) until(groups []naiveGroup, over, now int64) int64 {
	for _, g := range groups {
		if over -= g.marks; over <= 0 {
			return g.youngest + n.interval
		}
	}
	return now + n.interval
}

func (n *naive) undo(m *Mark) {
	id, left := n.of[m.Token]
	if !left {
		return
	}
	delete(n.exact, m.Token)
	delete(n.of, m.Token)
	for i := range n.groups {
		if n.groups[i].id == id {
			n.groups[i].marks -= m.Cost
			n.remember(m.Token)
		}
	}
	if n.sorted {
		n.groups = slices.DeleteFunc(n.groups, func(g naiveGroup) bool { return g.id == id })
	}
}

// alive is how much cost was left after an instant and not taken back.
func (n *naive) alive(after int64) (sum int64) {
	for _, mark := range n.exact {
		if mark.left >= after {
			sum += mark.cost
		}
	}
	return sum
}
