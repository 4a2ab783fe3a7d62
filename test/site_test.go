package test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
)

// site is a real HTTP server with one limiter, on a port or on a Unix socket.
type site struct {
	server *httptest.Server
	client *http.Client
	log    *gintest.Log
	keys   []string
}

func newSite(t *testing.T, onSocket bool, setUp func(*gin.Engine), opts ...ginlimit.Option) *site {
	s := &site{log: &gintest.Log{}, client: &http.Client{}}
	r := gin.New()
	setUp(r)
	r.GET("/x", ginlimit.New(append(opts, ginlimit.WithLogger(s.log.Logger()), ginlimit.WithInterval(time.Minute),
		ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { s.keys = append(s.keys, d.Key) }))...), gintest.OK)
	s.server = httptest.NewUnstartedServer(r)
	if onSocket {
		path := filepath.Join(t.TempDir(), "s")
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Skipf("no Unix sockets here: %v", err)
		}
		_ = s.server.Listener.Close()
		s.server.Listener = listener
		s.client.Transport = &http.Transport{DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", path)
			}}
	}
	s.server.Start()
	t.Cleanup(s.server.Close)
	return s
}

// get sends a request and returns the status and which client counted.
func (s *site) get(t *testing.T, header ...string) (int, string) {
	req, err := http.NewRequest("GET", "http://site/x", nil)
	require.NoError(t, err)
	if s.client.Transport == nil {
		req, err = http.NewRequest("GET", s.server.URL+"/x", nil)
		require.NoError(t, err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	response, err := s.client.Do(req)
	require.NoError(t, err)
	_ = response.Body.Close()
	return response.StatusCode, s.keys[len(s.keys)-1][len("ginlimit:1/1m:/x:"):]
}

// expect sends a request and holds the answer to a status and to the client who counted.
func (s *site) expect(t *testing.T, status int, client string, header ...string) {
	t.Helper()
	got, counted := s.get(t, header...)
	assert.Equal(t, status, got)
	assert.Equal(t, client, counted)
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func when(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

func first(codes []string) string { return append(codes, "")[0] }
