package ginlimit

import (
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/marks"
)

// note is what the limiters of one request know of each other. It is nil until there is something to know. Gin forgets it in
// Engine.HandleContext, which starts a new request.
type note struct {
	token     int64
	waiting   time.Duration // for Redis, so far
	refunding time.Duration
	answers   []*answer
	space     [2]*answer
}

// answer is what a limiter has been told by its marks, and what it made of that.
type answer struct {
	set     *marks.Set
	mark    marks.Mark
	verdict marks.Verdict
	began   int64 // when it was asked for
	settled bool  // without the marks

	told    bool // to observers
	outcome Outcome
	dryRun  bool
	failure Failure
	refunds bool // a limiter offers to take the mark back
}

// isNews says whether a decision is another one than was told of these marks before.
func (a *answer) isNews(d Decision) bool {
	isNews := !a.told || a.outcome != d.Outcome || a.dryRun != d.DryRun
	a.told, a.outcome, a.dryRun = true, d.Outcome, d.DryRun
	return isNews
}

type noteKey struct{}

func noteOf(c *gin.Context) *note {
	value, _ := c.Get(noteKey{})
	n, _ := value.(*note)
	return n
}

func (n *note) orNew(c *gin.Context, a *answer) *note {
	if n == nil {
		n = &note{token: a.mark.Token}
		n.answers = n.space[:0]
		c.Set(noteKey{}, n)
	}
	return n
}

// of returns what was answered by the same marks.
func (n *note) of(a *answer) *answer {
	if n != nil {
		for _, known := range n.answers {
			if known.set.Is(a.set) && known.mark.Key == a.mark.Key {
				return known
			}
		}
	}
	return nil
}

// has says whether other marks under an equal key were asked: they may be in the same Redis.
func (n *note) has(a *answer) bool {
	return n != nil && slices.ContainsFunc(n.answers, func(known *answer) bool { return known.mark.Key == a.mark.Key })
}

func (n *note) tokenOr(make func() int64) int64 {
	if n == nil {
		return make()
	}
	return n.token
}

func (n *note) waited() time.Duration {
	if n == nil {
		return 0
	}
	return n.waiting
}

// wait adds the time that an answer took, where Redis was asked.
func (n *note) wait(c *gin.Context, a *answer) *note {
	if a.verdict.Source != marks.Redis && a.verdict.Err == nil {
		return n
	}
	n = n.orNew(c, a)
	n.waiting += time.Duration(clock.Now() - a.began)
	return n
}

// remember is for the limiters that come.
func (n *note) remember(c *gin.Context, a *answer) *note {
	if a.settled || n.of(a) != nil {
		return n
	}
	n = n.orNew(c, a)
	n.answers = append(n.answers, a)
	return n
}

// repeat is for a request that has met the same marks before, maybe in a limiter with another failure mode.
func (l *Limiter) repeat(known, now *answer) {
	if known.dryRun == l.dryRun && known.failure == l.failure && known.refunds == (l.refund != nil) ||
		known.mark.Cost != now.mark.Cost || known.mark.Limit != now.mark.Limit {
		l.warnings.mountedTwice(now.mark.Key)
	}
	if known.verdict.Answer == marks.Unanswered && l.failure == FailLocal {
		known.verdict = l.marks.TakeLocally(&known.mark, known.verdict.Err)
	}
}
