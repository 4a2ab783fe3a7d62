package client

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"

	"github.com/ginlimit/ginlimit/internal/gintest"
)

// said keeps the codes of the signs that a finder gave, each as often as it was given.
type said struct{ codes []int }

func (s *said) Said(code int) bool                      { return slices.Contains(s.codes, code) }
func (s *said) say(code int)                            { s.codes = append(s.codes, code) }
func (s *said) TrustsEveryone()                         { s.say(1) }
func (s *said) Unknown()                                { s.say(2) }
func (s *said) Untrusted(netip.Addr)                    { s.say(4) }
func (s *said) Unreadable(string, string)               { s.say(9) }
func (s *said) Disagreement(string, string, netip.Addr) { s.say(10) }

// ofPeer is the client whom a peer counts as, without any proxy.
func ofPeer(peer string, ipv6Prefix int) string {
	c, r := gin.CreateTestContext(httptest.NewRecorder())
	gintest.Trust()(r)
	c.Request = &http.Request{RemoteAddr: peer}
	return NewFinder(ipv6Prefix, &said{}).Network(c).String()
}

func TestAddressIsCanonical(t *testing.T) {
	for seen, want := range map[string]string{
		"203.0.113.7":                    "203.0.113.7/32",
		" 203.0.113.7 ":                  "203.0.113.7/32",
		"203.0.113.7:99":                 "203.0.113.7/32",
		"::ffff:203.0.113.7":             "203.0.113.7/32",
		"::FFFF:cb00:7107":               "203.0.113.7/32",
		"0:0:0:0:0:ffff:203.0.113.7":     "203.0.113.7/32",
		"[::ffff:203.0.113.7]:99":        "203.0.113.7/32",
		"2001:db8::1":                    "2001:db8::/64",
		"2001:0DB8:0:0:1:2:3:4":          "2001:db8::/64",
		"[2001:db8::1]":                  "2001:db8::/64",
		"[2001:db8::1]:99":               "2001:db8::/64",
		"fe80::1%eth0":                   "fe80::/64",
		"64:ff9b::203.0.113.7":           "203.0.113.7/32",
		"64:ff9b::cb00:7108":             "203.0.113.8/32",
		"::ffff:0:203.0.113.7":           "203.0.113.7/32",
		"64:ff9b:0:0:1::203.0.113.7":     "64:ff9b::/64",   // none of the translators' /96
		"64:ff9b:1::203.0.113.7":         "64:ff9b:1::/64", // RFC 8215 leaves open where the IPv4 address is
		"2002:cb00:7107:1::1":            "2002:cb00:7107::/48",
		"2002:cb00:7107:9::1":            "2002:cb00:7107::/48",
		"2002:cb00:7108:1::1":            "2002:cb00:7108::/48",
		"::203.0.113.7":                  "::/64", // IPv4-compatible, deprecated by RFC 4291: nobody's
		"::1":                            "::/64",
		"any text":                       "198.51.100.9/32",
		"<nil>":                          "198.51.100.9/32",
		strings.Repeat("1", 100_000):     "198.51.100.9/32",
		"203.0.113.7\x00:ip=203.0.113.8": "198.51.100.9/32",
	} {
		c, r := gin.CreateTestContext(httptest.NewRecorder())
		r.TrustedPlatform = "CF-Connecting-IP" // Gin returns any text in it
		c.Request = &http.Request{RemoteAddr: "198.51.100.9:1000", Header: http.Header{"Cf-Connecting-Ip": {seen}}}
		assert.Equal(t, want, NewFinder(64, &said{}).Network(c).String(), "%.60q", seen)
	}
}

func TestPeerAddressIsCanonical(t *testing.T) {
	for peer, want := range map[string]string{
		"203.0.113.7:1":          "203.0.113.7/32",
		"[2001:db8::1]:1":        "2001:db8::/64",
		"[fe80::1%eth0]:1":       "fe80::/64",
		"[::ffff:203.0.113.7]:1": "203.0.113.7/32",
		"[64:ff9b::cb00:7107]:1": "203.0.113.7/32",
		"[64:ff9b::cb00:7108]:1": "203.0.113.8/32",
		"[2002:cb00:7107:9::]:1": "2002:cb00:7107::/48",
		"":                       "invalid Prefix",
		"@":                      "invalid Prefix",
		"pipe":                   "invalid Prefix",
	} {
		assert.Equal(t, want, ofPeer(peer, 64), peer)
	}
}

func TestIPv6Prefix(t *testing.T) {
	for bits, want := range map[int]string{
		48: "2001:db8:1::/48", 56: "2001:db8:1::/56", 64: "2001:db8:1:2::/64", 128: "2001:db8:1:2::3/128",
	} {
		assert.Equal(t, want, ofPeer("[2001:db8:1:2::3]:1", bits))
	}
	for bits, want := range map[int]string{32: "2002:cb00::/32", 48: "2002:cb00:7107::/48", 128: "2002:cb00:7107::/48"} {
		assert.Equal(t, want, ofPeer("[2002:cb00:7107:9::3]:1", bits), "a 6to4 site has a whole /48")
	}
}

// TestParse reads what Network's answers look like, as a person types it.
func TestParse(t *testing.T) {
	f := NewFinder(64, &said{})
	for text, want := range map[string]string{
		"203.0.113.7": "203.0.113.7/32", "2001:db8::/64": "2001:db8::/64", "2001:db8::1": "2001:db8::/64",
		"2002:cb00:7107:9::1": "2002:cb00:7107::/48", "64:ff9b::203.0.113.7": "203.0.113.7/32",
		"": "invalid Prefix", "*": "invalid Prefix", "203.0.113": "invalid Prefix",
	} {
		assert.Equal(t, want, f.Parse(text).String(), text)
	}
}
