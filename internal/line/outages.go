package line

import (
	"sync"
	"sync/atomic"

	"github.com/ginlimit/ginlimit/internal/clock"
)

// News is that an outage has begun or ended. There is one of each for a client, however many limiters and nodes there are.
type News struct {
	Gone bool   // begun; else ended
	Node string // the first that didn't answer
	Err  error  // why
}

// outages follows a client's nodes. An outage begins with the first node that is away, and is over once none is and no round
// trip has failed for a second, so that a Redis which answers now and then is one outage.
type outages struct {
	isOn   atomic.Bool
	isNews atomic.Bool
	failed atomic.Int64 // when a round trip failed last

	mu   sync.Mutex
	away map[*Node]bool
	news []News
}

func (o *outages) begin(n *Node, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away == nil {
		o.away = map[*Node]bool{}
	}
	o.away[n] = true
	if !o.isOn.Swap(true) {
		o.tell(News{Gone: true, Node: n.name(), Err: err})
	}
}

// answered is called after each round trip while an outage is on.
func (o *outages) answered(n *Node) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.away, n)
	if len(o.away) == 0 && clock.Now() >= o.failed.Load()+second && o.isOn.Swap(false) {
		o.tell(News{})
	}
}

func (o *outages) tell(what News) {
	o.news = append(o.news, what)
	o.isNews.Store(true)
}

// News returns what nobody has been told yet, and usually nothing.
func (l *Line) News() []News {
	if !l.outages.isNews.Load() {
		return nil
	}
	l.outages.mu.Lock()
	defer l.outages.mu.Unlock()
	news := l.outages.news
	l.outages.news = nil
	l.outages.isNews.Store(false)
	return news
}
