package observe

import (
	"fmt"
	"os"

	"github.com/gin-gonic/gin"
	"github.com/ginlimit/ginlimit"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// The labels are few on purpose: the key among them would make a time series for each client.
func Example_prometheus() {
	registry := prometheus.NewRegistry()
	decisions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ginlimit_decisions_total", Help: "Decisions of the rate limiters.",
	}, []string{"policy", "outcome", "source", "dry_run"})
	registry.MustRegister(decisions)

	count := ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) {
		decisions.WithLabelValues(d.Policy, d.Outcome.String(), d.Source.String(), fmt.Sprint(d.DryRun)).Inc()
	})
	r := newEngine()
	r.POST("/pay", ginlimit.New(ginlimit.WithPrefix("pay"), count), func(c *gin.Context) {})
	for range 3 {
		send(r, "/pay")
	}

	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
	}
	for _, family := range families {
		_, _ = expfmt.MetricFamilyToText(os.Stdout, family)
	}
	// Output:
	// # HELP ginlimit_decisions_total Decisions of the rate limiters.
	// # TYPE ginlimit_decisions_total counter
	// ginlimit_decisions_total{dry_run="false",outcome="allowed",policy="pay",source="memory"} 1
	// ginlimit_decisions_total{dry_run="false",outcome="denied",policy="pay",source="memory"} 2
}
