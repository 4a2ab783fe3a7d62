package observe

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"
	"github.com/ginlimit/ginlimit"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// The attributes are few on purpose: the key among them would make a time series for each client.
func Example_openTelemetry() {
	reader := sdk.NewManualReader() // in a service: an exporter's
	meter := sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("example")
	decisions, err := meter.Int64Counter("ginlimit.decisions",
		metric.WithDescription("Decisions of the rate limiters."), metric.WithUnit("{decision}"))
	if err != nil {
		fmt.Println(err)
	}

	count := ginlimit.WithObserver(func(c *gin.Context, d ginlimit.Decision) {
		decisions.Add(c.Request.Context(), 1, metric.WithAttributes(
			attribute.String("policy", d.Policy),
			attribute.String("outcome", d.Outcome.String()),
			attribute.String("source", d.Source.String()),
			attribute.Bool("dry_run", d.DryRun)))
	})
	r := newEngine()
	r.POST("/pay", ginlimit.New(ginlimit.WithPrefix("pay"), count), func(c *gin.Context) {})
	for range 3 {
		send(r, "/pay")
	}

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		fmt.Println(err)
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
			fmt.Println(m.Name, point.Attributes.Encoded(attribute.DefaultEncoder()), point.Value)
		}
	}
	// Unordered output:
	// ginlimit.decisions dry_run=false,outcome=allowed,policy=pay,source=memory 1
	// ginlimit.decisions dry_run=false,outcome=denied,policy=pay,source=memory 2
}

func newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	_ = r.SetTrustedProxies(nil)
	return r
}

func send(r http.Handler, path string) {
	r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", path, nil))
}
