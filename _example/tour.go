package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// tour is what to try, and the answers. "first" and "second" stand for the servers' ports.
const tour = `
Open http://localhost:first or try these, one after the other:

  curl -i -X POST localhost:first/pay	# 200
  curl -i -X POST localhost:second/pay	# 429, Retry-After: 10 or less
  curl -i -X POST localhost:second/report	# 200
  curl -i -X POST localhost:first/report	# 429, Retry-After: 30 or less
  curl -i -X POST "localhost:first/login?[1-5]"	# 5 x 200
  curl -i -X POST localhost:second/login	# 429, Retry-After: 60 or less
  curl -i localhost:first/api/stock	# 200
  curl -i localhost:second/api/stock	# 429, Retry-After: 3 or less
  curl -i localhost:second/api/orders	# 200

Ctrl-C stops both.
`

func printTour(w io.Writer, ports []string, m *memory) {
	where := "an embedded Redis, gone when this stops (REDIS_URL takes a real one)"
	if m.embedded == nil {
		where = "the Redis at " + m.options.Addr + ", so those of an earlier run still count for up to a minute"
	}
	aligned := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(aligned, "Two servers share their marks. They are in %s.\n", where)
	fmt.Fprint(aligned, strings.NewReplacer("first", ports[0], "second", ports[1]).Replace(tour))
	_ = aligned.Flush()
}
