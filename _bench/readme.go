package main

import (
	"fmt"
	"strings"
)

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
