package client

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"

	"github.com/ginlimit/ginlimit/internal/gintest"
)

// A client behind a proxy that passes X-Real-IP on can write what it likes into it.
func TestALongListCostsLittle(t *testing.T) {
	c, r := gin.CreateTestContext(httptest.NewRecorder())
	gintest.Trust("10.0.0.0/8")(r)
	var list strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&list, "10.0.%d.%d,", i>>8, i&255)
	}
	c.Request = &http.Request{RemoteAddr: "10.0.0.5:1",
		Header: http.Header{"X-Forwarded-For": {"203.0.113.1"}, "X-Real-Ip": {list.String()}}}
	f := NewFinder(64, &said{})
	f.Network(c)
	assert.Less(t, testing.AllocsPerRun(10, func() { f.Network(c) }), 500.0)
}

// A set-up that is wrong for every request is not looked into for every request.
func TestWhatHasBeenSaidCostsLittle(t *testing.T) {
	for name, test := range map[string]struct {
		trust  func(*gin.Engine)
		header http.Header
		says   []int
	}{
		"untrusted":                       {gintest.Trust(), http.Header{"X-Forwarded-For": {"203.0.113.1"}}, []int{4}},
		"unreadable":                      {gintest.Trust("10.0.0.0/8"), http.Header{"X-Real-Ip": {"203.0.113.1:1"}}, []int{9}},
		"unreadable, of a proxy in a row": {gintest.Trust("10.0.0.0/8"), http.Header{"X-Forwarded-For": {"10.0.0.3"}, "X-Real-Ip": {"203.0.113.1"}}, []int{9}},
		"disagreeing":                     {gintest.Trust("10.0.0.0/8"), http.Header{"X-Forwarded-For": {"203.0.113.1"}, "X-Real-Ip": {"203.0.113.2"}}, []int{10}},
		"nothing, with the platform":      {func(r *gin.Engine) { gintest.Trust()(r); r.TrustedPlatform = "X-Client" }, http.Header{"X-Forwarded-For": {"203.0.113.1"}, "X-Client": {"203.0.113.2"}}, nil},
	} {
		c, r := gin.CreateTestContext(httptest.NewRecorder())
		test.trust(r)
		c.Request = &http.Request{RemoteAddr: "10.0.0.5:1", Header: test.header}
		signs := &said{}
		f := NewFinder(64, signs)
		f.Network(c)
		assert.Equal(t, test.says, signs.codes, name)
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
		gintest.Trust("10.0.0.0/8")(r)
		c.Request = &http.Request{Header: header, RemoteAddr: "10.0.0.5:1"}
		signs := &said{}
		f := NewFinder(64, signs)
		text := c.ClientIP()
		address := parseAddress(text)
		f.inspect(c, text, address)
		assert.Zero(t, testing.AllocsPerRun(100, func() { f.inspect(c, text, address) }), name)
		assert.Empty(t, signs.codes)
	}
}
