// Command _example runs two servers that share one memory of who was let through, as two processes or machines would.
//
//	go run ./_example
//
// It needs nothing installed. REDIS_URL=redis://localhost:6379 takes a real Redis instead of the embedded one, and
// PORTS=9080,9081 takes other ports.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	listeners, err := listen(os.Getenv("PORTS"))
	if err != nil {
		return err
	}
	memory, err := openRedis(ctx, os.Getenv("REDIS_URL"))
	if err != nil {
		return err
	}
	defer memory.close()

	gin.SetMode(gin.ReleaseMode)
	ports := portsOf(listeners)
	failed := make(chan error, len(listeners))
	for i, listener := range listeners {
		rdb := memory.newClient() // one for each server: they share nothing but Redis
		defer rdb.Close()
		server := &http.Server{Handler: newServer(ports[i], ports, rdb), ReadHeaderTimeout: 5 * time.Second}
		defer shutDown(server)
		go func() { failed <- server.Serve(listener) }()
	}

	printTour(os.Stdout, ports, memory)
	select {
	case <-ctx.Done():
		stop() // a second Ctrl-C ends it the hard way
		return nil
	case err := <-failed:
		return fmt.Errorf("a server stopped: %w", err)
	}
}

// shutDown lets requests under way finish, but a browser's idle connection must not hold it up for long.
func shutDown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if errors.Is(server.Shutdown(ctx), context.DeadlineExceeded) {
		_ = server.Close()
	}
}

// portsOf asks the listeners, since port 0 is any free one.
func portsOf(listeners []net.Listener) []string {
	var ports []string
	for _, listener := range listeners {
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		ports = append(ports, port)
	}
	return ports
}
