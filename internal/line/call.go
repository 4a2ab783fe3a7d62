package line

import (
	"context"
	"errors"
	"sync"
)

// A Call is what one request asks of one key: commands that travel together, in this order.
type Call struct {
	Key      string
	Commands []*Command
	Once     bool // never sent again: better lost than run twice
	Few      bool // at most 8 calls of this key go in one batch, as many as its script recognises if they come again

	// Repeated says, once the call was answered, that it was sent more than once: Redis may have run it before.
	Repeated bool

	node  *Node
	ctx   context.Context
	trip  *trip         // that carries it; guarded by its node
	until int64         // its request waits, where one does
	done  chan struct{} // has an element once a call that somebody waits for is over

	mu    sync.Mutex
	state state
	err   error
	after func(Fate) // for a call that its request has left
}

type state int

const (
	waited state = iota // somebody waits for it
	led                 // somebody sends it and knows
	posted              // nobody ever waited
	left                // nobody waits any longer
	over
)

// Fate is what became of a call that nobody waited for.
type Fate int

const (
	Answered Fate = iota // its commands have their replies
	Unknown              // it was sent, and Redis may have run it or may yet run it
	Unsent
)

// notSent is the error of a call that Redis never got.
type notSent struct{ error }

func (n notSent) Unwrap() error { return n.error }

func fateOf(err error) Fate {
	switch {
	case err == nil:
		return Answered
	case errors.As(err, new(notSent)):
		return Unsent
	}
	return Unknown
}

// Afterwards has f told what becomes of a call that Do returned an error for. Where nobody can know, it is told once Redis
// answers again. It mustn't block.
func (c *Call) Afterwards(f func(Fate)) {
	c.mu.Lock()
	if c.state != over {
		c.after = f
		c.mu.Unlock()
		return
	}
	fate := fateOf(c.err)
	c.mu.Unlock()
	c.tell(f, fate)
}

func (c *Call) tell(f func(Fate), fate Fate) {
	if fate == Unknown {
		c.node.owe(func() { f(fate) })
		return
	}
	f(fate)
}

func (c *Call) unsent(err error) error {
	c.state, c.err = over, notSent{err}
	return err
}

// leave says that nobody waits any longer; false, where the call is over already.
func (c *Call) leave() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == over {
		return false
	}
	c.state = left
	return true
}

func (c *Call) isLeft() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == left
}

// end tells who waits, or whoever wanted to be told.
func (c *Call) end(err error) {
	c.mu.Lock()
	before, after := c.state, c.after
	c.state, c.err = over, err
	c.mu.Unlock()
	switch {
	case before == waited:
		c.done <- struct{}{}
	case before == left && after != nil:
		c.tell(after, fateOf(err))
	}
}
