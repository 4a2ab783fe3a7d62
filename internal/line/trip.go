package line

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// A trip is one round trip to a node: the calls that go together.
type trip struct {
	calls   []*Call
	began   int64
	probe   bool  // it asks whether a node that is away is back
	counted int64 // when it was counted as failed, because nobody got an answer in time; 0: never
}

// lead sends a call on its request's own goroutine.
func (n *Node) lead(t *trip, c *Call, until *deadline, whole bool) error {
	again := n.run(&limited{until, c.ctx}, t)
	if again != nil {
		c.mu.Lock()
		c.state, c.done = waited, make(chan struct{}, 1)
		c.mu.Unlock()
		start(n, again)
		return n.await(c, until, whole)
	}
	n.mu.Lock()
	next := n.next()
	n.mu.Unlock()
	if next != nil {
		start(n, next)
	}
	return c.err
}

// carry makes a trip on a goroutine of the line, and those that follow from it.
func (n *Node) carry(t *trip) {
	for t != nil {
		until := n.line.deadlines.in(timeToConnect)
		ctx := context.Background()
		if len(t.calls) == 1 {
			ctx = t.calls[0].ctx
		}
		again := n.run(&limited{until, ctx}, t)
		if again != nil {
			t = again
			continue
		}
		n.mu.Lock()
		t = n.next()
		n.mu.Unlock()
	}
}

// run makes a round trip, tells everybody and counts it. It returns a trip for what was not answered, because the
// connection broke: that is asked once more, on another.
func (n *Node) run(ctx context.Context, t *trip) (again *trip) {
	n.send(ctx, t.calls)
	failure, succeeded := outcome(t.calls)
	if errors.Is(failure, context.DeadlineExceeded) {
		failure = n.cause(errNoAnswer)
	}
	if failure == nil || succeeded {
		n.checkServer(ctx)
	}
	var tired []*Call
	var retry []*Call
	now := clock.Now()
	n.mu.Lock()
	n.leaveTrip(t)
	n.took = time.Duration(now - t.began)
	switch {
	case failure == nil:
		n.succeeded(now, len(t.calls) == 1)
	case t.counted == 0:
		n.nearby = false
		tired = n.failed(now, failure)
	}
	owed := n.owed
	if failure == nil {
		n.owed = nil
	} else {
		owed = nil
	}
	over := t.calls[:0:0]
	for _, c := range t.calls {
		if isBroken(c.failure()) && !c.Repeated && !c.Once && !c.isLeft() && !n.health.away {
			retry = append(retry, c)
			continue
		}
		over = append(over, c)
	}
	if len(retry) > 0 {
		again = n.board(retry...)
	}
	if failure != nil && !isBroken(failure) {
		n.unsure.Store(now)
	}
	n.mu.Unlock()
	for _, c := range retry {
		c.Repeated = true
		for i, command := range c.Commands {
			c.Commands[i] = command.again()
		}
	}
	for _, c := range over {
		err := c.failure()
		if err != nil {
			n.unsure.Store(now)
			err = n.told(err)
		}
		c.end(err)
	}
	giveUp(tired, failure)
	for _, tell := range owed {
		tell()
	}
	return again
}

// succeeded counts a round trip.
func (n *Node) succeeded(now int64, single bool) {
	if n.health.succeeded(now) {
		n.unsure.Store(now)
	}
	if single {
		n.nearby = true
	}
	if n.line.outages.isOn.Load() {
		n.line.outages.answered(n)
	}
}

// send gives the commands to the client and returns once each has a reply or an error.
func (n *Node) send(ctx context.Context, calls []*Call) {
	defer func() {
		if panicked := recover(); panicked != nil { // in a user's hook; on the line's goroutine it would end the process
			stamp(commandsOf(calls), fmt.Errorf("ginlimit: the Redis client panicked: %v", panicked))
		}
	}()
	if n.line.own == nil {
		n.sendForeign(ctx, calls[0])
		return
	}
	if n == n.line.first && n.line.topology != nil {
		if err := n.line.topology.load(ctx); err != nil {
			stamp(commandsOf(calls), err)
			return
		}
	}
	n.process(ctx, commandsOf(calls))
	n.teach(ctx, calls)
	if n.line.topology != nil && isMoved(calls) {
		_ = n.line.topology.ask(ctx)
	}
}

func commandsOf(calls []*Call) []redis.Cmder {
	commands := make([]redis.Cmder, 0, len(calls))
	for _, c := range calls {
		for _, command := range c.Commands {
			commands = append(commands, command)
		}
	}
	return commands
}

func (n *Node) process(ctx context.Context, commands []redis.Cmder) {
	if len(commands) == 1 {
		_ = n.line.own.Process(ctx, commands[0]) // the command knows
		return
	}
	batch := n.line.own.Pipeline()
	_ = batch.BatchProcess(ctx, commands...)
	if _, err := batch.Exec(ctx); err != nil {
		stamp(commands, err) // a hook may not have sent them
	}
}

// teach sends scripts that a node doesn't know: each once in full, in front of the other commands that run it.
func (n *Node) teach(ctx context.Context, calls []*Call) {
	var unknown []redis.Cmder
	var taught map[*Script]bool
	for _, c := range calls {
		for i, command := range c.Commands {
			if command.script == nil || !isNoScript(command.Err()) {
				continue
			}
			if taught == nil {
				taught = map[*Script]bool{}
			}
			if !taught[command.script] {
				taught[command.script] = true
				c.Commands[i] = command.inFull()
			} else {
				c.Commands[i] = command.again()
			}
			unknown = append(unknown, c.Commands[i])
		}
	}
	if len(unknown) > 0 {
		n.process(ctx, unknown)
	}
}

// stamp gives the commands an error that have neither a value nor one.
func stamp(commands []redis.Cmder, err error) {
	for _, command := range commands {
		if c := command.(*Command); c.Val() == nil && c.Err() == nil {
			c.SetErr(err)
		}
	}
}

// failure is why a call has not been answered, or nil.
func (c *Call) failure() error {
	for _, command := range c.Commands {
		if _, err := command.Reply(); err != nil && !isReply(err) {
			return err
		}
	}
	return nil
}

// outcome is what a round trip says about its node: the first failure, and whether anything succeeded all the same. A
// connection that broke is a failure whatever came before.
func outcome(calls []*Call) (failure error, succeeded bool) {
	for _, c := range calls {
		for _, command := range c.Commands {
			switch _, err := command.Reply(); {
			case err == nil:
				succeeded = true
			case !isReply(err):
				return err, succeeded
			case failure == nil && isNodes(err, command.script != nil):
				failure = err
			}
		}
	}
	if succeeded {
		return nil, true // one that is refused doesn't make a node away that serves the others
	}
	return failure, false
}

func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

func isNoScript(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") }

func isMoved(calls []*Call) bool {
	for _, c := range calls {
		for _, command := range c.Commands {
			if command.moved {
				return true
			}
		}
	}
	return false
}

// nodesWords begin the error replies that say a node can't serve at all. NOPERM for a script is the script's.
var nodesWords = []string{
	"READONLY", "LOADING", "OOM", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH", "WRONGPASS", "NOPERM",
	"ERR max number of clients reached",
}

func isNodes(err error, script bool) bool {
	text := err.Error()
	for _, word := range nodesWords {
		if script && word == "NOPERM" {
			continue
		}
		// Inside a script, older servers put words before it.
		if strings.HasPrefix(text, word) || script && strings.Contains(text, "-"+word+" ") {
			return true
		}
	}
	return false
}

// isBroken says that a connection ended under a command, as they do that were idle for long: another one may work.
func isBroken(err error) bool {
	if err == nil {
		return false
	}
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.As(err, &op) && op.Op != "dial" && !op.Timeout()
}

// told is what its request is told of a command without an answer.
func (n *Node) told(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return n.cause(errNoAnswer)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) ||
		errors.Is(err, redis.ErrClosed) {
		return notSent{err}
	}
	return err
}
