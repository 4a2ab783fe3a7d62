package main

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type settings struct {
	steps                   map[string]*bool
	all, huge, short, write bool

	rounds         int
	duration       time.Duration
	at, only, mode string
	cpuprofile     string

	// for the child processes
	serve, redis string
	distance     time.Duration

	// what the text says
	numbers []int
	names   *regexp.Regexp
}

func (s *settings) define() {
	s.steps = map[string]*bool{}
	for _, one := range steps {
		s.steps[one.name] = flag.Bool(one.name, false, one.usage)
	}
	flag.BoolVar(&s.all, "all", false, "measure everything")
	flag.BoolVar(&s.huge, "huge", false, "with -scale: ten million marks too (3 GB of memory)")
	flag.BoolVar(&s.short, "short", false, "one quick round of everything; its figures say nothing")
	flag.BoolVar(&s.write, "write", false, "write bench.json and bench.svg")
	flag.IntVar(&s.rounds, "rounds", 71, "rounds, of which the medians count")
	flag.DurationVar(&s.duration, "time", 20*time.Millisecond, "time per case and round; -http takes whole seconds")
	flag.StringVar(&s.at, "at", "", "requests at once, such as \"1,64\", instead of each part's own; -scale takes the first")
	flag.StringVar(&s.only, "only", "", "the contenders to run: a regular expression for their whole names, such as \"SetNX.*|ginlimit\";"+
		" of -scale the parts: redis, process, cluster, memory, denials")
	flag.StringVar(&s.mode, "mode", "", "the one mode to run: allowed or denied")
	flag.StringVar(&s.cpuprofile, "cpuprofile", "", "write a CPU profile to this file; use it with -only, -mode and -at")
	flag.StringVar(&s.serve, "serve", "", "used by -http: serve this contender")
	flag.DurationVar(&s.distance, "distance", 0, "used by -distant: be so far from the Redis")
	flag.StringVar(&s.redis, "redis", "", "used by child processes: the address of the Redis")
}

func (s *settings) read() error {
	if s.write && (s.short || s.at != "" || s.only != "" || s.mode != "") {
		return errors.New("-write is for whole runs, not with -short, -at, -only or -mode")
	}
	if s.short {
		s.all, s.rounds, s.duration, s.at = true, 1, 30*time.Millisecond, "1,32"
	}
	if !slices.Contains([]string{"", allowed, denied}, s.mode) {
		return fmt.Errorf("-mode %q: must be %s or %s", s.mode, allowed, denied)
	}
	if s.rounds < 1 {
		return fmt.Errorf("-rounds %d: must be 1 at least", s.rounds)
	}
	only := s.only
	if only == "" {
		only = ".*"
	}
	var err error
	if s.names, err = regexp.Compile("^(" + only + ")$"); err != nil {
		return fmt.Errorf("-only %q: %w", s.only, err)
	}
	if len(s.chosen()) == 0 && !s.runs("scale") {
		return fmt.Errorf("-only %q: no such contender", s.only)
	}
	for text := range strings.SplitSeq(s.at, ",") {
		n, err := strconv.Atoi(text)
		if s.at != "" && (err != nil || n < 1) {
			return fmt.Errorf("-at %q: must be numbers with commas between", s.at)
		}
		s.numbers = append(s.numbers, n)
	}
	return nil
}

// runs says whether a step was asked for.
func (s settings) runs(name string) bool {
	none := !slices.ContainsFunc(steps, func(one step) bool { return *s.steps[one.name] })
	return s.all || *s.steps[name] || none && name == "router"
}

// counts are the requests at once: those of -at, or else a part's own.
func (s settings) counts(own ...int) []int {
	if s.at != "" {
		return s.numbers
	}
	return own
}

func (s settings) modes(own ...string) []string {
	if s.mode != "" {
		return []string{s.mode}
	}
	return own
}

// chosen are the contenders that -only leaves of a part's own; none are all.
func (s settings) chosen(own ...string) []contender {
	var chosen []contender
	for _, c := range contenders {
		if s.names.MatchString(c.name) && (len(own) == 0 || slices.Contains(own, c.name)) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}
