package ginlimit_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ginlimit/ginlimit"
)

// newEngine returns an engine behind no proxy.
func newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	_ = r.SetTrustedProxies(nil)
	return r
}

// send prints how a request is answered. What follows a question mark is sent as a form.
func send(r http.Handler, path string, header ...string) {
	path, form, _ := strings.Cut(path, "?")
	req := httptest.NewRequest("POST", path, strings.NewReader(form))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(header) == 2 {
		req.Header.Set(header[0], header[1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	answer := fmt.Sprint(w.Code, " ", w.Header().Get("Retry-After"), " ", w.Body)
	fmt.Println(strings.Join(strings.Fields(answer), " "))
}

func ExampleNew() {
	r := newEngine()
	r.POST("/pay", ginlimit.New(ginlimit.WithInterval(10*time.Second)), func(c *gin.Context) { c.String(200, "paid") })
	send(r, "/pay")
	send(r, "/pay")
	// Output:
	// 200 paid
	// 429 10
}

func ExampleNew_group() {
	r := newEngine()
	api := r.Group("/api", ginlimit.New())
	api.POST("/a", func(c *gin.Context) { c.String(200, "a") })
	api.POST("/b", func(c *gin.Context) { c.String(200, "b") })
	send(r, "/api/a")
	send(r, "/api/b")
	send(r, "/api/a")
	// Output:
	// 200 a
	// 200 b
	// 429 3
}

func ExampleWithLimit() {
	r := newEngine()
	r.POST("/login", ginlimit.New(ginlimit.WithLimit(2), ginlimit.WithInterval(time.Minute)), func(c *gin.Context) {})
	send(r, "/login")
	send(r, "/login")
	send(r, "/login")
	// Output:
	// 200
	// 200
	// 429 60
}

func ExampleWithIdentity() {
	r := newEngine()
	byAccount := ginlimit.WithIdentity(func(c *gin.Context) string { return c.GetHeader("X-Account") })
	show := ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { fmt.Println(d.Key, d.Outcome) })
	r.POST("/report", ginlimit.New(byAccount, show), func(c *gin.Context) {})
	send(r, "/report", "X-Account", "ada")
	send(r, "/report")
	// Output:
	// ginlimit:1/3s:/report:id=ada allowed
	// 200
	// ginlimit:1/3s:/report:ip=192.0.2.1 allowed
	// 200
}

func ExampleWithDenied() {
	r := newEngine()
	r.POST("/pay", ginlimit.New(ginlimit.WithDenied(func(c *gin.Context, d ginlimit.Decision) {
		c.String(c.Writer.Status(), "%s: come back later", d.Outcome)
	})), func(c *gin.Context) {})
	send(r, "/pay")
	send(r, "/pay")
	// Output:
	// 200
	// 429 3 denied: come back later
}

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

func ExampleWithDenied_json() {
	r := newEngine()
	r.POST("/pay", ginlimit.New(ginlimit.WithDenied(func(c *gin.Context, d ginlimit.Decision) {
		c.JSON(c.Writer.Status(), gin.H{"error": d.Outcome.String(), "limit": d.Limit, "interval": d.Interval.String()})
	})), paid)
	send(r, "/pay")
	send(r, "/pay")
	// Output:
	// 200 paid
	// 429 3 {"error":"denied","interval":"3s","limit":1}
}

func ExampleWithDenied_problem() {
	r := newEngine()
	r.POST("/pay", ginlimit.New(ginlimit.WithDenied(func(c *gin.Context, d ginlimit.Decision) {
		c.Header("Content-Type", "application/problem+json")
		problem := gin.H{"title": "Too many requests", "status": c.Writer.Status()}
		if d.Outcome == ginlimit.Denied {
			problem["type"] = "https://iana.org/assignments/http-problem-types#quota-exceeded"
			problem["violated-policies"] = []string{d.Policy}
		}
		c.JSON(c.Writer.Status(), problem)
	})), paid)
	send(r, "/pay")
	send(r, "/pay")
	// Output:
	// 200 paid
	// 429 3 {"status":429,"title":"Too many requests","type":"https://iana.org/assignments/http-problem-types#quota-exceeded","violated-policies":["ginlimit"]}
}
