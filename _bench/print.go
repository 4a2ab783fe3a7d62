package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// print writes a Markdown table per mode and limit: a row per contender, a column per number of requests at once.
func (p part) print(out io.Writer, results []result) {
	for _, mode := range []string{allowed, denied} {
		for _, limit := range p.limits {
			base := p.base
			if mode == denied {
				base = ours
			}
			rows := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.Mode != mode || r.Limit != limit })
			if len(rows) > 0 {
				fmt.Fprintf(out, "\n### %s, limit %d, %s: time per request, %s = 1\n\n", p.title, limit, mode, base)
				printRows(out, rows)
			}
		}
	}
}

func printRows(out io.Writer, rows []result) {
	counts := atOnceOf(rows)
	fmt.Fprint(out, "|")
	for _, n := range counts {
		fmt.Fprintf(out, " | %d at once", n)
	}
	last := counts[len(counts)-1]
	fmt.Fprintf(out, " | allocations | run in Redis | Redis CPU |\n|---%s|\n", strings.Repeat("|--:", len(counts)+3))
	for _, name := range names(rows) {
		fmt.Fprintf(out, "| %s", name)
		for _, r := range rows {
			if r.Contender != name {
				continue
			}
			fmt.Fprintf(out, " | %s (%s)", ratio(r.Ratio), period(r.Nanoseconds))
			if r.Median > 0 {
				fmt.Fprintf(out, ", half in %s, 99%% in %s", period(r.Median), period(r.P99))
			}
			if r.OutagesNoticed > 0 {
				fmt.Fprintf(out, " %d outages!", r.OutagesNoticed)
			}
			if r.AtOnce == last {
				fmt.Fprintf(out, " | %.1f | %s | %s", r.Allocations, figure(r.CommandsRun), period(r.RedisCPU))
			}
		}
		fmt.Fprintln(out, " |")
	}
	fmt.Fprintf(out, "\nThe last three columns are per request with %d at once; commands run in Redis count those in scripts.\n", last)
}

func names(rows []result) []string {
	var names []string
	for _, r := range rows {
		if !slices.Contains(names, r.Contender) {
			names = append(names, r.Contender)
		}
	}
	return names
}

func atOnceOf(rows []result) []int {
	var counts []int
	for _, r := range rows {
		if !slices.Contains(counts, r.AtOnce) {
			counts = append(counts, r.AtOnce)
		}
	}
	return counts
}

// ratio is a figure, unless -only left nothing to compare with.
func ratio(x float64) string {
	if x == 0 {
		return "–"
	}
	return figure(x)
}

// figure writes a number with the digits that mean something.
func figure(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x < 0.01:
		return fmt.Sprintf("%.4f", x)
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

func period(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	}
	return fmt.Sprintf("%.1f ms", ns/1e6)
}
