package test

import (
	"net"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/nginxtest"
)

const (
	appends   = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
	setsReal  = "proxy_set_header X-Real-IP $remote_addr;"
	fromProxy = "proxy_bind 127.0.0.1;" // the trusted one; clients are 127.0.0.2 and so on
)

// getFrom sends a request to nginx from a loopback address.
func getFrom(t *testing.T, client, nginx string, header ...string) int {
	req, err := http.NewRequest("GET", "http://"+nginx+"/x", nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true,
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}).DialContext}
	response, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(t, err)
	_ = response.Body.Close()
	return response.StatusCode
}

// upstream is where nginx finds a site.
func (s *site) upstream() string {
	if address := s.server.Listener.Addr(); address.Network() == "unix" {
		return "unix:" + address.String()
	}
	return s.server.Listener.Addr().String()
}

// TestBehindNginx forges what a client can through a real nginx. What is right is one 200 for each of two clients.
func TestBehindNginx(t *testing.T) {
	right, forgeable, shared := []int{200, 429, 429, 200}, []int{200, 200, 200, 200}, []int{200, 429, 429, 429}
	named := func(headers ...string) func(*gin.Engine) {
		return func(r *gin.Engine) { proxies("127.0.0.1")(r); r.RemoteIPHeaders = headers }
	}
	for name, test := range map[string]struct {
		onSocket   bool
		setUp      func(*gin.Engine)
		directives []string
		forged     string // the header that one client forges, each time otherwise
		want       []int
		warned     []string
	}{
		"a socket, nothing set in Gin":          {true, func(*gin.Engine) {}, []string{appends}, "X-Forwarded-For", forgeable, []string{"GL1"}},
		"a socket":                              {true, proxies(), []string{appends}, "X-Forwarded-For", right, nil},
		"a socket, X-Real-IP, not named":        {true, proxies(), []string{setsReal}, "X-Forwarded-For", forgeable, []string{"GL10"}},
		"a socket, X-Real-IP, named":            {true, named("X-Real-IP"), []string{setsReal}, "X-Forwarded-For", right, nil},
		"a socket, ports":                       {true, proxies(), []string{"proxy_set_header X-Forwarded-For $remote_addr:$remote_port;"}, "X-Y", shared, []string{"GL9"}},
		"a port":                                {false, proxies("127.0.0.1"), []string{appends}, "X-Forwarded-For", right, nil},
		"a port, X-Real-IP, not named":          {false, proxies("127.0.0.1"), []string{setsReal}, "X-Forwarded-For", forgeable, []string{"GL10"}},
		"a port, X-Real-IP, named":              {false, named("X-Real-IP"), []string{setsReal}, "X-Forwarded-For", right, nil},
		"a port, both":                          {false, proxies("127.0.0.1"), []string{appends, setsReal}, "X-Forwarded-For", right, nil},
		"a port, X-Forwarded-For, not named":    {false, proxies("127.0.0.1"), []string{appends}, "X-Real-IP", right, []string{"GL10"}},
		"a port, X-Forwarded-For, named":        {false, named("X-Forwarded-For"), []string{appends}, "X-Real-IP", right, nil},
		"a port, ports":                         {false, proxies("127.0.0.1"), []string{"proxy_set_header X-Forwarded-For $remote_addr:$remote_port;"}, "X-Y", shared, []string{"GL9"}},
		"a port, ports, and X-Real-IP forged":   {false, proxies("127.0.0.1"), []string{"proxy_set_header X-Forwarded-For $remote_addr:$remote_port;"}, "X-Real-IP", forgeable, []string{"GL10", "GL9"}},
		"a port, Forwarded":                     {false, proxies("127.0.0.1"), []string{"proxy_set_header Forwarded for=$remote_addr;"}, "X-Y", shared, []string{"GL9"}},
		"a port, nobody trusted":                {false, proxies(), []string{appends}, "X-Forwarded-For", shared, []string{"GL4"}},
		"a port, nothing set in Gin":            {false, func(*gin.Engine) {}, []string{appends}, "X-Forwarded-For", forgeable, []string{"GL1"}},
		"a port, only IPv6 proxies are trusted": {false, proxies("::1"), []string{appends}, "X-Forwarded-For", shared, []string{"GL4"}},
	} {
		t.Run(name, func(t *testing.T) {
			nginxtest.Require(t)
			s := newSite(t, test.onSocket, test.setUp)
			nginx := nginxtest.Start(t, s.upstream(), append(test.directives, fromProxyUnless(test.onSocket))...)
			got := []int{
				getFrom(t, "127.0.0.2", nginx, test.forged, "198.51.100.1"),
				getFrom(t, "127.0.0.2", nginx, test.forged, "198.51.100.2"),
				getFrom(t, "127.0.0.2", nginx, test.forged, "198.51.100.3"),
				getFrom(t, "127.0.0.3", nginx),
			}
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.warned, s.log.Codes())
		})
	}
}

func fromProxyUnless(onSocket bool) string { return when(!onSocket, fromProxy) }

// Two honest proxies in a row name different peers in X-Real-IP, and that is no disagreement.
func TestBehindTwoNginxInARow(t *testing.T) {
	nginxtest.Require(t)
	for name, onSocket := range map[string]bool{"a port": false, "a socket": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, onSocket, proxies("127.0.0.1", "127.0.0.9"))
			inner := nginxtest.Start(t, s.upstream(), appends, setsReal, fromProxyUnless(onSocket))
			outer := nginxtest.Start(t, inner, appends, setsReal, "proxy_bind 127.0.0.9;")
			assert.Equal(t, 200, getFrom(t, "127.0.0.2", outer, "X-Forwarded-For", "198.51.100.1"))
			assert.Equal(t, 429, getFrom(t, "127.0.0.2", outer, "X-Forwarded-For", "198.51.100.2"))
			assert.Equal(t, 200, getFrom(t, "127.0.0.3", outer))
			assert.Empty(t, s.log.Codes())
		})
	}
}
