package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestREADMEShowsTheReport holds the README's ratios to bench.json.
func TestREADMEShowsTheReport(t *testing.T) {
	r := mustLoad(t)
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if table := r.readmeTable(); !strings.Contains(string(text), table) {
		t.Errorf("README.md lacks this table:\n%s", table)
	}
	prose := strings.Join(strings.Fields(string(text)), " ")
	for _, claim := range []string{
		fmt.Sprintf("three masters cost a request %s × what one does", figure(last(r.Scale.Cluster).Ratio)),
		fmt.Sprintf("takes %s of Redis's time at 64 at once",
			figure(r.one(t, "ginlimit, pipeliner", allowed, 64).RedisCPU/r.one(t, ours, allowed, 64).RedisCPU)),
		fmt.Sprintf("Ten million live marks cost a request %s × what ten thousand do, a million %s ×",
			figure(last(r.Scale.Redis).Ratio), figure(r.Scale.Redis[1].Ratio)),
		fmt.Sprintf("Ten million marks in a process cost a request without Redis %s × what ten thousand do",
			figure(last(r.Scale.Process).Ratio)),
		fmt.Sprintf("an HTTP server serves %s of the allowed and %s of the denied requests",
			figure(r.served(t, ours, allowed)), figure(r.served(t, ours, denied))),
	} {
		if !strings.Contains(prose, claim) {
			t.Errorf("README.md lacks: %s", claim)
		}
	}
}

// readmeTable is the table of ratios in the README.
func (r report) readmeTable() string {
	var table strings.Builder
	table.WriteString("| | allowed, SetNX by hand = 1 | denied again, ginlimit = 1 | allocations, allowed / denied |" +
		" HTTP requests per second, no limiter = 1, allowed / denied |\n|---|--:|--:|--:|--:|\n")
	for _, name := range names(r.Router) {
		if name == none {
			continue
		}
		var ratios, allocations [2][]string
		for _, one := range r.Router {
			if one.Contender != name {
				continue
			}
			column := 0
			if one.Mode == denied {
				column = 1
			}
			ratios[column] = append(ratios[column], figure(one.Ratio))
			if one.AtOnce == 32 {
				allocations[column] = append(allocations[column], fmt.Sprintf("%.0f", one.Allocations))
			}
		}
		var rates []string
		for _, one := range r.HTTP { // allowed comes first
			if one.Contender == name {
				rates = append(rates, figure(one.Ratio))
			}
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s / %s | %s |\n", name, join(ratios[0]), join(ratios[1]),
			join(allocations[0]), join(allocations[1]), join(rates))
	}
	return table.String()
}

func join(figures []string) string { return strings.Join(figures, " / ") }

// TestTheReportIsWithinTheBars looks at what was measured for the README; it measures nothing.
func TestTheReportIsWithinTheBars(t *testing.T) {
	r := mustLoad(t)
	atMost := func(what string, figure, bar float64) {
		if figure > bar {
			t.Errorf("%s: %.2f, the bar is %.2f", what, figure, bar)
		}
	}
	for _, n := range []int{1, 32, 64, 256} {
		at := fmt.Sprintf(", %d at once", n)
		atMost("allowed"+at, r.one(t, ours, allowed, n).Ratio, 1.15)
		atMost("allowed, default client"+at, r.one(t, "ginlimit, default client", allowed, n).Ratio, 1.5)
		again := r.one(t, ours, denied, n)
		atMost("denied, allocations"+at, again.Allocations, 3.1) // what the rest of the process allocates counts too
		atMost("denied, commands"+at, again.CommandsRun, 0)
		for _, other := range []string{"ulule/limiter", "redis_rate", "gin-rate-limit"} {
			atMost("denied, ginlimit's part of "+other+at, 1/r.one(t, other, denied, n).Ratio, 1.0/40)
		}
	}
	atMost("allowed, pipeliner, 64 at once", r.one(t, "ginlimit, pipeliner", allowed, 64).Ratio, 1)
	for _, one := range r.Router {
		atMost(fmt.Sprintf("%s, %s, %d at once, outages", one.Contender, one.Mode, one.AtOnce), float64(one.OutagesNoticed), 0)
	}
	for _, w := range r.Scale.Memory {
		switch {
		case strings.Contains(w.Where, "MEMORY USAGE"):
			atMost(w.Where, w.Bytes, 128)
		case strings.Contains(w.Where, "used_memory"):
			atMost(w.Where, w.Bytes, 175)
		case strings.Contains(w.Where, "without Redis"):
			atMost(w.Where, w.Bytes, 55)
		default:
			atMost(w.Where, w.Bytes, 90)
		}
	}
	for _, g := range r.Scale.Denials {
		atMost(fmt.Sprintf("commands of %.0f denied requests a second", g.RequestsPerSecond), g.PerClientAndProcess, 1.1)
	}
}

func mustLoad(t *testing.T) report {
	r, err := loadReport()
	if err != nil || len(r.Router) == 0 || len(r.HTTP) == 0 || r.Scale == nil ||
		len(r.Scale.Redis) != 3 || len(r.Scale.Process) != 3 || len(r.Scale.Cluster) != 2 ||
		len(r.Scale.Memory) == 0 || len(r.Scale.Denials) == 0 {
		t.Fatalf("%s is not of a whole run: %v", reportFile, err)
	}
	return r
}

func (r report) one(t *testing.T, contender, mode string, atOnce int) result {
	for _, one := range r.Router {
		if one.Contender == contender && one.Mode == mode && one.AtOnce == atOnce {
			return one
		}
	}
	t.Fatalf("%s lacks %s, %s, %d at once", reportFile, contender, mode, atOnce)
	return result{}
}

func (r report) served(t *testing.T, contender, mode string) float64 {
	for _, one := range r.HTTP {
		if one.Contender == contender && one.Mode == mode {
			return one.Ratio
		}
	}
	t.Fatalf("%s lacks %s, %s through HTTP", reportFile, contender, mode)
	return 0
}

func last(costs []cost) cost { return costs[len(costs)-1] }
