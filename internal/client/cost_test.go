package client

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
)

// signs remembers which codes were said.
type signs struct{ said []int }

func (s *signs) Said(code int) bool {
	for _, known := range s.said {
		if known == code {
			return true
		}
	}
	return false
}

func (s *signs) say(code int) {
	if !s.Said(code) {
		s.said = append(s.said, code)
	}
}

func (s *signs) TrustsEveryone()                         { s.say(1) }
func (s *signs) Unknown()                                { s.say(2) }
func (s *signs) Untrusted(netip.Addr)                    { s.say(4) }
func (s *signs) Unreadable(string, string)               { s.say(9) }
func (s *signs) Disagreement(string, string, netip.Addr) { s.say(10) }

func proxies(addresses ...string) func(*gin.Engine) {
	return func(r *gin.Engine) {
		if err := r.SetTrustedProxies(addresses); err != nil {
			panic(err)
		}
	}
}

// A client behind a proxy that passes X-Real-IP on can write what it likes into it.
func TestALongListCostsLittle(t *testing.T) {
	c, r := gin.CreateTestContext(httptest.NewRecorder())
	proxies("10.0.0.0/8")(r)
	var list strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&list, "10.0.%d.%d,", i>>8, i&255)
	}
	c.Request = &http.Request{RemoteAddr: "10.0.0.5:1",
		Header: http.Header{"X-Forwarded-For": {"203.0.113.1"}, "X-Real-Ip": {list.String()}}}
	f := NewFinder(64, &signs{})
	f.Network(c)
	assert.Less(t, testing.AllocsPerRun(10, func() { f.Network(c) }), 500.0)
}

// A set-up that is wrong for every request is not looked into for every request.
func TestWhatHasBeenSaidCostsLittle(t *testing.T) {
	for name, test := range map[string]struct {
		trust  func(*gin.Engine)
		header http.Header
		said   []int
	}{
		"GL4":                        {proxies(), http.Header{"X-Forwarded-For": {"203.0.113.1"}}, []int{4}},
		"GL9":                        {proxies("10.0.0.0/8"), http.Header{"X-Real-Ip": {"203.0.113.1:1"}}, []int{9}},
		"GL9, of a proxy in a row":   {proxies("10.0.0.0/8"), http.Header{"X-Forwarded-For": {"10.0.0.3"}, "X-Real-Ip": {"203.0.113.1"}}, []int{9}},
		"GL10":                       {proxies("10.0.0.0/8"), http.Header{"X-Forwarded-For": {"203.0.113.1"}, "X-Real-Ip": {"203.0.113.2"}}, []int{10}},
		"nothing, with the platform": {func(r *gin.Engine) { proxies()(r); r.TrustedPlatform = "X-Client" }, http.Header{"X-Forwarded-For": {"203.0.113.1"}, "X-Client": {"203.0.113.2"}}, nil},
	} {
		c, r := gin.CreateTestContext(httptest.NewRecorder())
		test.trust(r)
		c.Request = &http.Request{RemoteAddr: "10.0.0.5:1", Header: test.header}
		logged := &signs{}
		f := NewFinder(64, logged)
		f.Network(c)
		assert.Equal(t, test.said, logged.said, name)
		gins := testing.AllocsPerRun(100, func() { c.ClientIP() })
		assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { f.Network(c) }), gins+1, name)
	}
}

// TestForwardingAllocatesNothing holds that honest proxies cost no more than Gin's own reading of the headers.
func TestForwardingAllocatesNothing(t *testing.T) {
	for name, header := range map[string]http.Header{
		"none":       {"User-Agent": {"x"}},
		"one header": {"X-Forwarded-For": {"203.0.113.1"}},
		"two proxies in a row": {"X-Forwarded-For": {"198.51.100.5, 203.0.113.1, 10.0.0.3"},
			"X-Real-Ip": {"10.0.0.3"}},
	} {
		c, r := gin.CreateTestContext(httptest.NewRecorder())
		proxies("10.0.0.0/8")(r)
		c.Request = &http.Request{Header: header, RemoteAddr: "10.0.0.5:1"}
		logged := &signs{}
		f := NewFinder(64, logged)
		text := c.ClientIP()
		address := parseAddress(text)
		f.inspect(c, text, address)
		assert.Zero(t, testing.AllocsPerRun(100, func() { f.inspect(c, text, address) }), name)
		assert.Empty(t, logged.said)
	}
}
