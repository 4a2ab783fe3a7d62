package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

// load is how requests come: from so many goroutines at once, each with a client address of its own or all with one.
type load struct {
	atOnce   int
	fresh    bool // every request is a new client's, or one's that has not reached the limit
	limit    int
	first    int // the number of its address, or of the only one
	status   int // what every request must be answered
	duration time.Duration
	most     int  // requests, if that is sooner
	timed    bool // each on its own
}

// served is how many requests were answered in what time.
type served struct {
	requests int
	took     time.Duration
	each     []time.Duration // where timed
}

func (s served) ns() float64 { return float64(s.took) / float64(s.requests) }

// run puts the load on an engine.
func (l load) run(engine *gin.Engine) (served, error) {
	var next, wrong atomic.Int64
	var mu sync.Mutex
	var total served
	var stop atomic.Bool
	var all sync.WaitGroup
	start := time.Now()
	timer := time.AfterFunc(l.duration, func() { stop.Store(true) })
	defer timer.Stop()
	for range l.atOnce {
		w := newWorker(engine)
		all.Go(func() {
			defer w.close()
			var s served
			for !stop.Load() {
				i := int(next.Add(1)) - 1
				if i >= l.most {
					break
				}
				var begin time.Time
				if l.timed {
					begin = time.Now()
				}
				if !l.expects(w.serve(address(l.client(i)))) {
					wrong.Add(1)
				}
				if l.timed {
					s.each = append(s.each, time.Since(begin))
				}
				s.requests++
			}
			mu.Lock()
			defer mu.Unlock()
			total.requests += s.requests
			total.each = append(total.each, s.each...)
		})
	}
	all.Wait()
	total.took = time.Since(start)
	if n := wrong.Load(); n > 0 {
		return total, fmt.Errorf("%d of %d requests were not answered %d", n, total.requests, l.status)
	}
	return total, nil
}

// expects lets others pass again whose full limit is denied: redis_rate frees one of a thousand marks every 60 ms.
func (l load) expects(status int) bool {
	return status == l.status || !l.fresh && l.limit > 1 && status == http.StatusOK
}

// client is whose request number i is. Where the limit allows several, clients come in turn, each until its limit.
func (l load) client(i int) int {
	const turn = 256
	if !l.fresh {
		return l.first
	}
	return l.first + i%turn + i/(turn*max(1, l.limit))*turn
}

// worker serves one request after the other without memory of its own for each, so that what is counted is the limiter's.
type worker struct {
	engine  *gin.Engine
	request *http.Request
	header  http.Header
	status  int
	close   func()
}

func newWorker(engine *gin.Engine) *worker {
	// A server's requests have a context that can be cancelled.
	ctx, cancel := context.WithCancel(context.Background())
	request := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: route}, Host: "localhost", Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}).WithContext(ctx)
	return &worker{engine: engine, request: request, header: http.Header{}, close: cancel}
}

func (w *worker) serve(remoteAddr string) int {
	clear(w.header)
	w.status = http.StatusOK
	w.request.RemoteAddr = remoteAddr
	w.engine.ServeHTTP(w, w.request)
	return w.status
}

func (w *worker) Header() http.Header { return w.header }

func (w *worker) Write(body []byte) (int, error) { return len(body), nil }

func (w *worker) WriteHeader(status int) { w.status = status }

// addresses holds made-up client addresses of one width, so that taking one costs nothing: 10.200.100.100:1 and on.
var addresses = func() string {
	var all strings.Builder
	all.Grow(mostAddresses * addressWidth)
	for i := range mostAddresses {
		fmt.Fprintf(&all, "10.%d.%d.%d:1", 200+i/(156*156), 100+i/156%156, 100+i%156)
	}
	return all.String()
}()

const (
	mostAddresses = 1 << 20
	addressWidth  = len("10.200.100.100:1")
)

func address(i int) string {
	return addresses[i*addressWidth : (i+1)*addressWidth]
}
