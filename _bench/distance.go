package main

import (
	"bytes"
	"net"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// forward passes on what comes to a listener, and what is answered, each chunk half of the distance later. Chunks are under
// way together, as on a network, however many there are.
func forward(listener net.Listener, target string, distance time.Duration) {
	runtime.GOMAXPROCS(64) // pause keeps its processor for a while
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			continue
		}
		go delay(client, server, distance/2)
		go delay(server, client, distance/2)
	}
}

type chunk struct {
	due   time.Time
	bytes []byte
}

func delay(from, to net.Conn, by time.Duration) {
	chunks := make(chan chunk, 1<<12)
	defer close(chunks)
	go func() {
		defer to.Close()
		for c := range chunks {
			pause(time.Until(c.due))
			_, _ = to.Write(c.bytes) // a broken connection ends at its reader
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			chunks <- chunk{time.Now().Add(by), bytes.Clone(buf[:n])}
		}
		if err != nil {
			return
		}
	}
}

// pause is time.Sleep to some 50 µs instead of a whole millisecond.
func pause(d time.Duration) {
	if d > 0 {
		timeval := unix.NsecToTimeval(int64(d))
		_, _ = unix.Select(0, nil, nil, nil, &timeval)
	}
}
