// Command bench measures ginlimit side by side with other rate limiters for Gin, on redis-servers that it starts itself.
//
//	go run .                 behind a Gin router, 5 minutes
//	go run . -http           through a real HTTP server, loaded by wrk
//	go run . -scale          many marks, clients, processes and nodes; -huge: ten million marks too
//	go run . -all -write     all of it, into bench.json and bench.svg; the README has figures of -huge too
//	go run . -short          a bit of everything, seconds: does it still work? Needs wrk
//
// Only the ratios within one run say something: the times are those of one machine.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
)

type settings struct {
	http, scale, all, huge, short, write bool

	rounds     int
	duration   time.Duration
	at         string
	only, mode string
	cpuprofile string

	serve, redis string // for the child process of -http
}

func main() {
	var s settings
	flag.BoolVar(&s.http, "http", false, "measure a real HTTP server with wrk instead")
	flag.BoolVar(&s.scale, "scale", false, "measure many marks, clients, processes and nodes instead")
	flag.BoolVar(&s.all, "all", false, "measure everything")
	flag.BoolVar(&s.huge, "huge", false, "with -scale: ten million marks too (3 GB of memory)")
	flag.BoolVar(&s.short, "short", false, "one quick round of everything; its figures say nothing")
	flag.BoolVar(&s.write, "write", false, "write bench.json and bench.svg")
	flag.IntVar(&s.rounds, "rounds", 151, "rounds, of which the medians count")
	flag.DurationVar(&s.duration, "time", 20*time.Millisecond, "time per case and round")
	flag.StringVar(&s.at, "at", "1,32,64,256", "requests at once")
	flag.StringVar(&s.only, "only", "", "the contenders to run: a regular expression for their whole names, such as \"SetNX.*|ginlimit\"")
	flag.StringVar(&s.mode, "mode", "", "the one mode to run: allowed or denied")
	flag.StringVar(&s.cpuprofile, "cpuprofile", "", "write a CPU profile to this file; use it with -only, -mode and -at")
	flag.StringVar(&s.serve, "serve", "", "used by -http: serve this contender")
	flag.StringVar(&s.redis, "redis", "", "used by -http: with this Redis")
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
	if s.serve != "" {
		return serve(s.serve, s.redis, os.Stdin, out)
	}
	if s.short {
		s.all, s.rounds, s.duration, s.at = true, 1, 30*time.Millisecond, "1,32"
	}
	if s.write && (s.short || s.only != "" || s.mode != "") {
		return errors.New("-write is for whole runs, not with -short, -only or -mode")
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
	if s.all || !s.http && !s.scale {
		if r.Router, err = measureRouter(ctx, s); err != nil {
			return err
		}
		writeRouter(out, r.Router)
	}
	if s.all || s.http {
		if r.HTTP, err = measureHTTP(ctx, s); err != nil {
			return err
		}
		writeHTTP(out, r.HTTP)
	}
	if s.all || s.scale {
		if r.Scale, err = measureScale(ctx, s); err != nil {
			return err
		}
		writeScale(out, r.Scale)
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

func (s settings) atOnce() ([]int, error) {
	var counts []int
	for text := range strings.SplitSeq(s.at, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-at %q: must be numbers with commas between", s.at)
		}
		counts = append(counts, n)
	}
	return counts, nil
}
