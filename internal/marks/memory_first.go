package marks

import "github.com/ginlimit/ginlimit/internal/clock"

// While Redis can't answer, and for an interval after, marks may be missing there that this process granted: so its own
// marks come first. What asks about that looks under the same lock under which it leaves a mark.

// takeInPlace takes a mark in the place of a Redis that can't answer. For as long as it lives, own marks come first.
func (m *memory) takeInPlace(mark *Mark) Verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := clock.Now()
	m.ownFirst = clock.After(t, m.interval)
	return m.takeAt(mark, t)
}

// first says whether own marks refuse the mark, before Redis is asked. They do where they come first: for an interval
// after a mark was taken in Redis's place, or after the instant unsure at which Redis failed or lost marks (0: never).
func (m *memory) first(mark *Mark, unsure int64) (Verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := clock.Now()
	if !m.isFirst(unsure, t) {
		return Verdict{}, false
	}
	v := m.judge(mark, t)
	return v, v.Answer == Refused
}

// keep leaves a mark that Redis granted, and says whether it may be used: where own marks come first it must fit, since
// another may have been taken in Redis's place while Redis was answering. Elsewhere the oldest of its key makes room.
func (m *memory) keep(mark *Mark, unsure int64) (Verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := clock.Now()
	if m.isFirst(unsure, t) {
		v := m.takeAt(mark, t)
		return v, v.Held
	}
	return Verdict{Answer: Granted, Source: Memory, Held: true, Crowded: m.leave(mark, t)}, true
}

func (m *memory) isFirst(unsure, t int64) bool {
	return t < m.ownFirst || unsure > 0 && t < clock.After(unsure, m.interval)
}
