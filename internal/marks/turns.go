package marks

import (
	"context"
	"errors"
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// A turn is one request's asking, for whose end others wait.
type turn struct {
	over   chan struct{} // closed then
	answer Verdict       // the others' too, where it has an error or is a denial that can't be remembered; else none
}

func newTurn() *turn { return &turn{over: make(chan struct{})} }

var (
	errPanicked = errors.New("ginlimit: the Redis client panicked")
	errWaited   = errors.New("ginlimit: the wait ended before Redis answered the request that asked for this key")
)

// takeTurn asks while others wait for the answer.
func (d *denials) takeTurn(ctx context.Context, m *Mark, t Terms) Verdict {
	v, isNews := Verdict{Err: errPanicked}, false
	defer func() { d.endTurn(m, t, v, isNews) }()
	v = d.next.take(ctx, m, t)
	isNews = d.learn(m, v)
	return v
}

// endTurn lets the others go on. An error is theirs too, but not that of a request which had waited before.
func (d *denials) endTurn(m *Mark, t Terms, v Verdict, isNews bool) {
	d.mu.Lock()
	mine := d.turns[m.Hash]
	delete(d.turns, m.Hash)
	d.mu.Unlock()
	switch {
	case mine == nil:
		return
	case v.Err != nil && t.Whole:
		mine.answer.Err = v.Err
	case isNews && v.Answer == Refused && v.Lasts == 0:
		mine.answer = Verdict{Answer: Refused, Source: Cache, Wait: v.Wait}
	}
	close(mine.over)
}

// await waits for the end of another's turn, but no longer than this request may. What was waited is taken off its wait.
func (o *turn) await(m *Mark, t *Terms) Verdict {
	select {
	case <-o.over:
	case <-time.After(t.Wait):
		return Verdict{Err: errWaited}
	}
	began := m.Asked
	m.Asked = clock.Now()
	t.Wait, t.Whole = t.Wait-time.Duration(m.Asked-began), false
	return o.answer
}
