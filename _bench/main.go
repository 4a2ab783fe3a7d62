// Command bench measures ginlimit side by side with other rate limiters for Gin, on redis-servers that it starts itself.
//
//	go run .                 behind a Gin router, 4 minutes
//	go run . -limits         limits of 10 and 1,000
//	go run . -cluster        a cluster of three masters
//	go run . -distant        a Redis 1 ms away: latencies too
//	go run . -http           through a real HTTP server, loaded by wrk
//	go run . -scale          many marks, clients, processes and nodes; -huge: ten million marks too
//	go run . -all -write     all of it, 11 minutes, into bench.json and bench.svg; the README has figures of -huge too
//	go run . -short          a bit of everything, seconds: does it still work? Needs wrk
//
// Only the ratios within one run say something: the times are those of one machine.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/gin-gonic/gin"
)

func main() {
	var s settings
	s.define()
	flag.Parse()

	gin.SetMode(gin.ReleaseMode)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, out io.Writer) error {
	if s.isChild() {
		return beChild(s, os.Stdin, out)
	}
	if err := s.read(); err != nil {
		return err
	}
	stopProfile, err := profile(s.cpuprofile)
	if err != nil {
		return err
	}
	defer stopProfile()
	r, err := loadReport()
	if err != nil {
		return err
	}
	for _, one := range steps {
		if !s.runs(one.name) {
			continue
		}
		if err := one.run(ctx, s, &r, out); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	if !s.write && !s.short {
		return nil
	}
	return publish(ctx, r, s.write)
}

// publish writes the report and draws it, which is tried even where nothing is to be written.
func publish(ctx context.Context, r report, write bool) error {
	var picture bytes.Buffer
	if len(r.Router) > 0 {
		if err := plotRouter(r.Router, &picture); err != nil {
			return err
		}
	}
	if !write {
		return nil
	}
	if err := r.save(ctx); err != nil || picture.Len() == 0 {
		return err
	}
	return os.WriteFile(plotFile, picture.Bytes(), 0o644)
}

func profile(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}
