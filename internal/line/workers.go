package line

import "time"

// errand is a trip for a goroutine of the line.
type errand struct {
	node *Node
	trip *trip
}

// linger is for how long a goroutine waits for its next errand. One that has worked before has a stack that has grown.
const linger = time.Second

// workers are the goroutines of all lines that have nothing to do.
var workers = make(chan errand)

// start carries a trip on a goroutine of its own.
func start(n *Node, t *trip) {
	select {
	case workers <- errand{n, t}:
	default:
		go work(errand{n, t})
	}
}

func work(e errand) {
	idle := time.NewTimer(linger)
	defer idle.Stop()
	for {
		e.node.carry(e.trip)
		e = errand{}
		idle.Reset(linger)
		select {
		case e = <-workers:
		case <-idle.C:
			return
		}
	}
}
