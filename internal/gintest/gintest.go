// Package gintest sends requests to Gin engines and reads what was logged meanwhile. It puts Gin into its test mode.
package gintest

import (
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"
)

func init() { gin.SetMode(gin.TestMode) }

// Peers of two clients.
const (
	Alice = "203.0.113.7:1000"
	Bob   = "203.0.113.8:2000"
)

// NewRouter returns an engine that trusts these proxies, by default nobody.
func NewRouter(proxies ...string) *gin.Engine {
	r := gin.New()
	Trust(proxies...)(r)
	return r
}

// Trust returns what sets an engine up to trust these proxies and nobody else.
func Trust(proxies ...string) func(*gin.Engine) {
	return func(r *gin.Engine) {
		if err := r.SetTrustedProxies(proxies); err != nil {
			panic(err)
		}
	}
}

// OK is a handler that answers 200.
func OK(c *gin.Context) { c.String(http.StatusOK, "done") }

// Status returns a handler that answers with a status.
func Status(code int) gin.HandlerFunc { return func(c *gin.Context) { c.String(code, "answer") } }

// Request sends a request from a peer, "ip:port", with headers, each a name and a value, and returns the response.
func Request(h http.Handler, method, path, peer string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, nil)
	req.RemoteAddr = peer
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}
