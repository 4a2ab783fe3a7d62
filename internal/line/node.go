package line

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// A Node is one server behind a client: its queue, what is under way to it, and whether it answers. What comes while enough
// is under way waits in the queue, and goes together once something returns.
type Node struct {
	line   *Line
	client *redis.Client // the server's own; nil where it isn't known

	unsure atomic.Int64 // when a command failed last, or marks may have been lost
	server server

	mu       sync.Mutex
	queue    []*Call
	underWay []*trip
	stuck    int           // of these, how many nobody waits for any longer
	took     time.Duration // the last round trip
	nearby   bool          // a single command has gone through since the last one failed
	health   health
	owed     []owed // what is to be told once the node answers again
}

type owed func()

// mostOwed bounds what is kept for a node that is away. Marks that are not taken back expire by themselves.
const mostOwed = 4096

var (
	errNoAnswer = errors.New("ginlimit: Redis sent no answer within the timeout")
	errNoTime   = errors.New("ginlimit: this request has waited for Redis as long as it may")
)

// Do sends a call and waits for the replies. An error says that they didn't come within the wait, and whether that was the
// whole timeout of a limiter says whether the node is to blame; a call that is still queued then is never sent.
func (n *Node) Do(ctx context.Context, c *Call, wait time.Duration, whole bool) error {
	c.node, c.ctx = n, ctx
	if wait <= 0 {
		return c.unsent(errNoTime)
	}
	n.mu.Lock()
	if n.health.away {
		return n.probe(c)
	}
	until := n.line.deadlines.in(wait)
	c.until = until.instant
	if !n.mayGo() {
		c.done = make(chan struct{}, 1)
		n.queue = append(n.queue, c)
		n.mu.Unlock()
		return n.await(c, until, whole)
	}
	if n.mayLead(c, wait) {
		c.state = led
		t := n.board(c)
		n.mu.Unlock()
		return n.lead(t, c, until, whole)
	}
	c.done = make(chan struct{}, 1)
	t := n.board(c)
	n.mu.Unlock()
	start(n, t)
	return n.await(c, until, whole)
}

// Post sends a call whose replies nobody waits for.
func (n *Node) Post(c *Call) {
	c.node, c.ctx, c.state = n, context.Background(), posted
	n.mu.Lock()
	switch {
	case n.health.away:
		n.mu.Unlock()
	case n.mayGo():
		t := n.board(c)
		n.mu.Unlock()
		start(n, t)
	default:
		n.queue = append(n.queue, c)
		n.mu.Unlock()
	}
}

// Unsure is the instant since which this process's own marks may know more than Redis does; 0: never.
func (n *Node) Unsure() int64 { return max(n.unsure.Load(), n.line.unsure.Load()) }

// Away is why the node doesn't answer, or nil where the last round trip succeeded.
func (n *Node) Away() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.health.reason
}

// probe answers at once for a node that is away. Once a second the call goes along beside its request, to see.
func (n *Node) probe(c *Call) error {
	reason := n.health.reason
	if !n.health.mayProbe() {
		n.mu.Unlock()
		return c.unsent(reason)
	}
	c.state = left
	t := n.board(c)
	t.probe = true
	n.mu.Unlock()
	start(n, t)
	return reason
}

// mayGo says whether one more round trip may be under way. What is stuck doesn't count, up to less than half of the
// connections.
func (n *Node) mayGo() bool {
	stuck := min(n.stuck, (n.line.most-1)/2)
	return len(n.queue) == 0 && len(n.underWay)-stuck < n.atOnce()
}

const (
	atOnceNear = 2
	atOnceFar  = 4
	far        = 500 * time.Microsecond
)

func (n *Node) atOnce() int {
	switch {
	case n.line.own == nil: // it doesn't batch
		return n.line.most
	case n.took > far:
		return min(atOnceFar, n.line.most)
	}
	return min(atOnceNear, n.line.most)
}

// mayLead says whether a request may send its command itself. That saves two changes of goroutine, but cuts a command short
// that takes longer than the request may wait, and with it the connection: so only where that is out of question.
func (n *Node) mayLead(c *Call, wait time.Duration) bool {
	return n.line.leads && n.nearby && len(c.Commands) == 1 && len(n.underWay) == 0 && 4*n.took < wait &&
		!n.server.isNew()
}

// await waits for a call that the line leads.
func (n *Node) await(c *Call, until *deadline, whole bool) error {
	select {
	case <-c.done:
		return c.err
	case <-until.passed:
	}
	if !c.leave() {
		return c.err
	}
	return n.leftWaiting(c, whole)
}

// leftWaiting counts a round trip that has kept a request waiting for the whole timeout; again while it stays stuck, where
// all connections are, but no more often than every tenth of a second. A node that has never answered gets a second, because
// connecting takes several round trips.
func (n *Node) leftWaiting(c *Call, whole bool) error {
	n.mu.Lock()
	err := n.cause(errNoAnswer)
	if !whole {
		n.mu.Unlock()
		return err
	}
	t, now := c.trip, clock.Now()
	if t == nil && len(n.underWay) > 0 {
		t = slices.MinFunc(n.underWay, func(a, b *trip) int { return cmp.Compare(a.counted, b.counted) })
	}
	if t == nil || t.counted > 0 && now < t.counted+bucket || !n.health.warm && now < t.began+second {
		n.mu.Unlock()
		return err
	}
	if t.counted == 0 {
		n.stuck++
	}
	t.counted = now
	given := n.failed(now, err)
	next := n.next()
	n.mu.Unlock()
	giveUp(given, err)
	if next != nil {
		start(n, next)
	}
	return err
}

// cause is why a command wasn't answered in time: because no connection could be made, where that is so.
func (n *Node) cause(late error) error {
	if err := n.server.refused.Load(); err != nil {
		return *err
	}
	return late
}

// failed counts a round trip. Where the node is away from now on, it returns the calls that nobody shall wait for.
func (n *Node) failed(now int64, err error) []*Call {
	n.line.outages.failed.Store(now)
	if !n.health.failed(now, err) {
		return nil
	}
	n.line.outages.begin(n, err)
	queued := n.queue
	n.queue = nil
	return queued
}

func giveUp(calls []*Call, err error) {
	for _, c := range calls {
		c.end(notSent{err})
	}
}

// board puts calls on a round trip.
func (n *Node) board(calls ...*Call) *trip {
	t := &trip{calls: calls, began: clock.Now()}
	for _, c := range calls {
		c.trip = t
	}
	n.underWay = append(n.underWay, t)
	return t
}

// mostCalls keeps a batch from making the one behind it wait.
const mostCalls = 512

// next puts what is queued on a round trip, where one may go.
func (n *Node) next() *trip {
	if len(n.queue) == 0 {
		return nil
	}
	queued := n.queue
	n.queue = nil
	if !n.mayGo() {
		n.queue = queued
		return nil
	}
	most := mostCalls
	if n.line.own == nil {
		most = 1
	}
	var calls []*Call
	calls, n.queue = pick(queued, most, clock.Now())
	if len(calls) == 0 {
		return nil
	}
	return n.board(calls...)
}

// mostOfAKey is how many calls of one key a batch holds where their script recognises only so many that come again.
const mostOfAKey = 8

// pick takes calls from a queue, and leaves out those that nobody waits for.
func pick(queued []*Call, most int, now int64) (calls, rest []*Call) {
	var few map[string]int
	for i, c := range queued {
		if len(calls) == most {
			return calls, append(rest, queued[i:]...)
		}
		if c.until > 0 && c.until <= now { // its request leaves
			continue
		}
		if c.Few {
			if few == nil {
				few = map[string]int{}
			}
			if few[c.Key] == mostOfAKey {
				rest = append(rest, c)
				continue
			}
			few[c.Key]++
		}
		calls = append(calls, c)
	}
	return calls, rest
}

// owe tells something once the node answers again.
func (n *Node) owe(tell owed) {
	n.mu.Lock()
	if n.health.inARow > 0 {
		if len(n.owed) < mostOwed {
			n.owed = append(n.owed, tell)
		}
		n.mu.Unlock()
		return
	}
	n.mu.Unlock()
	tell()
}

func (n *Node) leaveTrip(t *trip) {
	if t.counted > 0 {
		n.stuck--
	}
	if i := slices.Index(n.underWay, t); i >= 0 {
		n.underWay = slices.Delete(n.underWay, i, i+1)
	}
	if t.probe {
		n.health.probing = false
	}
}
