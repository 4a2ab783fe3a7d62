package redistest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports are taken from below the range the kernel hands to outgoing connections
// (it starts at 32768 on Linux). Otherwise any dial on the machine could take
// the port of a server that is down for a moment and has to come back to it.
const (
	firstPort = 10000
	portCount = 10000

	// busOffset is where a cluster node listens for the other nodes.
	busOffset = 10000
)

// freePort returns a port that is free now, and whose cluster bus port is too.
func freePort(tb testing.TB) int {
	tb.Helper()
	for range 100 {
		port := firstPort + rand.IntN(portCount)
		if isFree(port) && isFree(port+busOffset) {
			return port
		}
	}
	tb.Fatalf("no free port found between %d and %d", firstPort, firstPort+portCount)
	return 0
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func loopback(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
