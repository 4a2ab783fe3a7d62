package ginlimit_test

import (
	"io"
	"log/slog"
	"os"

	"github.com/gin-gonic/gin"

	"github.com/ginlimit/ginlimit"
)

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

func ExampleWithObserver() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	r := newEngine()
	r.POST("/pay", ginlimit.New(ginlimit.WithObserver(func(c *gin.Context, d ginlimit.Decision) {
		if d.Outcome == ginlimit.Allowed && d.Err == nil {
			return
		}
		logger.WarnContext(c.Request.Context(), "limited", "outcome", d.Outcome, "policy", d.Policy, "key", d.Key,
			"source", d.Source, "dryRun", d.DryRun, "error", d.Err)
	})), paid)
	send(r, "/pay")
	send(r, "/pay")
	// Output:
	// 200 paid
	// level=WARN msg=limited outcome=denied policy=ginlimit key="ginlimit:1/3s:/pay:ip=192.0.2.1" source=memory dryRun=false error=<nil>
	// 429 3
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
