package test

import (
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
)

// TestForwardingSetUps is what else an engine can be told.
func TestForwardingSetUps(t *testing.T) {
	reads := func(names ...string) func(*gin.Engine) {
		return func(r *gin.Engine) { gintest.Trust("127.0.0.1")(r); r.RemoteIPHeaders = names }
	}
	const itself = "ip=127.0.0.1"
	for name, test := range map[string]struct {
		onSocket bool
		setUp    func(*gin.Engine)
		header   []string
		counts   string
		warned   []string
	}{
		"Gin's default on a socket": {true, func(*gin.Engine) {}, []string{"X-Forwarded-For", "198.51.100.5, 203.0.113.1"},
			"ip=198.51.100.5", []string{"GL1"}},
		"no trusted proxies on a socket": {true, gintest.Trust(), []string{"X-Forwarded-For", "198.51.100.5, 203.0.113.1"},
			"ip=203.0.113.1", nil},
		"no forwarding on a socket": {true, func(r *gin.Engine) { r.ForwardedByClientIP = false },
			[]string{"X-Forwarded-For", "203.0.113.1"}, "ip=unknown", []string{"GL9"}},
		"the platform's header": {false, platform(gin.PlatformCloudflare),
			[]string{"CF-Connecting-IP", "203.0.113.1", "X-Forwarded-For", "203.0.113.1, 198.51.100.5"}, "ip=203.0.113.1", nil},
		"the platform's header with a port": {false, platform("X-Client-Addr"), []string{"X-Client-Addr", "203.0.113.1:1"},
			"ip=203.0.113.1", nil},
		"the platform names the peer itself": {false, platform(gin.PlatformCloudflare), []string{"CF-Connecting-IP", "127.0.0.1"},
			itself, nil},
		"the platform's header has a list": {false, platform("X-Forwarded-For"),
			[]string{"X-Forwarded-For", "203.0.113.1, 198.51.100.5"}, itself, []string{"GL9"}},
		"a platform of one's own says nonsense": {false, platform("X-Client-Addr"), []string{"X-Client-Addr", "nonsense"},
			itself, []string{"GL9"}},
		"a trusted platform and a trusted proxy": {false, func(r *gin.Engine) {
			gintest.Trust("127.0.0.1")(r)
			r.TrustedPlatform = gin.PlatformCloudflare
		}, []string{"CF-Connecting-IP", "203.0.113.1", "X-Forwarded-For", "203.0.113.1, 198.51.100.5"}, "ip=203.0.113.1", nil},
		"only the header that the proxy sets": {false, reads("X-Real-IP"),
			[]string{"X-Real-IP", "203.0.113.1", "X-Forwarded-For", "198.51.100.5"}, "ip=203.0.113.1", nil},
		"not the header that the proxy sets": {false, reads("X-Real-IP"), []string{"X-Forwarded-For", "203.0.113.1"},
			itself, []string{"GL9"}},
		"a header of one's own": {false, reads("X-Client"),
			[]string{"X-Client", "203.0.113.1", "X-Forwarded-For", "198.51.100.5"}, "ip=203.0.113.1", nil},
		"a header of one's own that disagrees": {false, reads("X-Client", "X-Forwarded-For"),
			[]string{"X-Client", "203.0.113.1", "X-Forwarded-For", "198.51.100.5"}, "ip=203.0.113.1", []string{"GL10"}},
		"a header of one's own comes second": {false, reads("X-Forwarded-For", "X-Client"),
			[]string{"X-Client", "203.0.113.1", "X-Forwarded-For", "198.51.100.5"}, "ip=198.51.100.5", []string{"GL10"}},
		"a header of one's own, from anyone": {false, func(r *gin.Engine) { r.RemoteIPHeaders = []string{"X-Client"} },
			[]string{"X-Client", "203.0.113.1"}, "ip=203.0.113.1", []string{"GL1"}},
		"Forwarded, which Gin can't read": {false, reads("Forwarded"), []string{"Forwarded", "for=203.0.113.1"},
			itself, []string{"GL9"}},
	} {
		for _, before := range []string{"", ", a health check first"} {
			t.Run(name+before, func(t *testing.T) {
				if before != "" && test.onSocket {
					t.Skip("GL2 is said then")
				}
				s := newSite(t, test.onSocket, test.setUp, ginlimit.WithCapacity(4))
				if before != "" {
					s.get(t)
				}
				for range 2 {
					_, client := s.get(t, test.header...)
					assert.Equal(t, test.counts, client)
				}
				assert.Equal(t, test.warned, s.log.Codes())
			})
		}
	}
}

func TestWhatGL9AndGL10Say(t *testing.T) {
	s := newSite(t, false, gintest.Trust("127.0.0.1"))
	s.get(t, "X-Forwarded-For", "203.0.113.1:40001")
	s.get(t, "X-Forwarded-For", "198.51.100.5", "X-Real-IP", "203.0.113.1")
	entries := s.log.Entries()
	require.Len(t, entries, 2)
	assert.Equal(t, []any{"GL9", "X-Forwarded-For", "127.0.0.1"}, []any{entries[0]["code"], entries[0]["header"], entries[0]["peer"]})
	assert.Equal(t, []any{"GL10", "X-Real-Ip", "203.0.113.1", "198.51.100.5"},
		[]any{entries[1]["code"], entries[1]["header"], entries[1]["named"], entries[1]["counted"]})
}

func TestWithoutTrustedProxiesNobodyIsBelieved(t *testing.T) {
	s := newSite(t, false, gintest.Trust())
	s.expect(t, 200, "ip=127.0.0.1")
	s.expect(t, 429, "ip=127.0.0.1", "X-Forwarded-For", "203.0.113.1")
	s.expect(t, 429, "ip=127.0.0.1", "X-Forwarded-For", "203.0.113.2")
	assert.Equal(t, []string{"GL4"}, s.log.Codes(), "a loopback peer may be a proxy that nobody trusts")
	assert.Contains(t, s.log.Entries()[0]["msg"], "SetTrustedProxies")
	assert.Equal(t, "127.0.0.1", s.log.Entries()[0]["peer"])
}

func TestGinsDefaultTrustsForgersAndGL1SaysSoOnce(t *testing.T) {
	s := newSite(t, false, func(*gin.Engine) {})
	s.expect(t, 200, "ip=127.0.0.1")
	s.expect(t, 200, "ip=203.0.113.1", "X-Forwarded-For", "203.0.113.1")
	s.expect(t, 200, "ip=203.0.113.2", "X-Forwarded-For", "203.0.113.2")
	assert.Equal(t, []string{"GL1"}, s.log.Codes())
	assert.Contains(t, s.log.Entries()[0]["msg"], "engine.SetTrustedProxies")
}

func TestBehindATrustedProxyTheForwardedClientCounts(t *testing.T) {
	s := newSite(t, false, gintest.Trust("127.0.0.1", "::1"))
	s.expect(t, 200, "ip=203.0.113.1", "X-Forwarded-For", "203.0.113.1")
	s.expect(t, 200, "ip=203.0.113.2", "X-Forwarded-For", "203.0.113.2")
	s.expect(t, 429, "ip=203.0.113.2", "X-Forwarded-For", "198.51.100.5, 203.0.113.2") // the first one is the client's own
	assert.Empty(t, s.log.Codes())
}

func TestAProxyOnASocketThatOnceSaysNothing(t *testing.T) {
	s := newSite(t, true, gintest.Trust())
	s.expect(t, 200, "ip=203.0.113.7", "X-Forwarded-For", "203.0.113.7")
	s.expect(t, 200, "ip=unknown")
	assert.Equal(t, []string{"GL2"}, s.log.Codes())
}
