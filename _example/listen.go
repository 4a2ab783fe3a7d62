package main

import (
	"fmt"
	"net"
	"strings"
)

// listen takes both ports before anything is served or printed.
//
// Only 127.0.0.1, and not ::1 too: a client must have the same address at both servers, and clients that try ::1 for
// localhost first fall back by themselves.
func listen(ports string) ([]net.Listener, error) {
	if ports == "" {
		ports = "8080,8081"
	}
	names := strings.Split(ports, ",")
	if len(names) != 2 {
		return nil, fmt.Errorf("PORTS must be two ports like 8080,8081 and is %q", ports)
	}
	var listeners []net.Listener
	for _, port := range names {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strings.TrimSpace(port)))
		if err != nil {
			for _, other := range listeners {
				_ = other.Close()
			}
			return nil, fmt.Errorf("port %s cannot be used (%w): stop what uses it, or choose two others with PORTS=9080,9081",
				port, err)
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}
