package test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
)

// readme returns a section of the README.
func readme(t *testing.T, title string) string {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## "+title+"\n")
	require.True(t, found, title)
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// setUp is an engine as a row of "Who is the client?" sets it up, and what reaches it. The test's peer, 127.0.0.1, stands
// for the proxies that a row trusts.
type setUp struct {
	gin      func(*gin.Engine)
	onSocket bool
	says     func(client, forged string) []string // the headers, where a client forged what it can
	nobody   bool                                 // there is no proxy, and the peer is the client
}

func trusting(headers ...string) func(*gin.Engine) {
	return func(r *gin.Engine) { proxies("127.0.0.1", "10.0.0.0/8")(r); r.RemoteIPHeaders = headers }
}

func platform(name string) func(*gin.Engine) {
	return func(r *gin.Engine) { proxies()(r); r.TrustedPlatform = name }
}

// appended is what most proxies send: they append to what the client sent and pass the rest on.
func appended(client, forged string) []string {
	return []string{"X-Forwarded-For", forged + ", " + client, "X-Real-IP", forged, "CF-Connecting-IP", forged}
}

// replaced is what proxies send that believe nobody.
func replaced(client, forged string) []string {
	return []string{"X-Forwarded-For", client, "X-Real-IP", forged}
}

// by is what a platform sends: the client in a header of its own, and the rest passed on.
func by(header string) func(client, forged string) []string {
	return func(client, forged string) []string {
		return []string{header, client, "X-Forwarded-For", forged + ", " + client + ", 198.51.100.200", "X-Real-IP", forged}
	}
}

var setUps = map[string]setUp{
	"straight on the network": {gin: proxies(), nobody: true, says: appended},
	"own proxies in a row": {gin: trusting("X-Forwarded-For"), says: func(client, forged string) []string {
		return []string{"X-Forwarded-For", forged + ", " + client + ", 10.0.0.6", "X-Real-IP", "10.0.0.6"}
	}},
	"Unix socket": {gin: func(r *gin.Engine) { proxies()(r); r.RemoteIPHeaders = []string{"X-Forwarded-For"} }, onSocket: true, says: appended},
	"nginx": {gin: trusting("X-Real-IP"), says: func(client, forged string) []string {
		return []string{"X-Real-IP", client, "X-Forwarded-For", forged}
	}},
	"nginx, appending": {gin: trusting("X-Forwarded-For"), says: appended},
	"Caddy":            {gin: trusting("X-Forwarded-For"), says: replaced},
	"Traefik":          {gin: trusting("X-Forwarded-For"), says: replaced},
	"HAProxy": {gin: trusting("X-Forwarded-For"), says: func(client, forged string) []string {
		return []string{"X-Forwarded-For", forged, "X-Forwarded-For", client, "X-Real-IP", forged} // it adds a line
	}},
	"AWS ALB":                   {gin: trusting("X-Forwarded-For"), says: appended},
	"Azure Application Gateway": {gin: trusting("X-Forwarded-For"), says: appended},
	"Azure Front Door": {gin: platform("X-Azure-SocketIP"), says: func(client, forged string) []string {
		return append(by("X-Azure-SocketIP")(client, forged), "X-Azure-ClientIP", forged)
	}},
	"Cloudflare": {gin: platform(gin.PlatformCloudflare), says: by("CF-Connecting-IP")},
	"App Engine": {gin: platform("X-Appengine-User-IP"), says: by("X-Appengine-User-IP")},
	"Fly.io":     {gin: platform(gin.PlatformFlyIO), says: by("Fly-Client-IP")},
}

// TestTheReadmesSetUps holds for each row that two clients are two, however one of them forges, and that nothing is warned
// of.
func TestTheReadmesSetUps(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| ([^|]+) \| (.+) \|`).FindAllStringSubmatch(readme(t, "Who is the client?"), -1)[1:]
	assert.Len(t, rows, len(setUps))
	for _, row := range rows {
		t.Run(row[1], func(t *testing.T) {
			set, found := setUps[row[1]]
			require.True(t, found, "no test")
			s := newSite(t, set.onSocket, set.gin)
			var got []int
			for _, forged := range []string{"198.51.100.1", "198.51.100.2"} {
				status, client := s.get(t, set.says("203.0.113.1", forged)...)
				got = append(got, status)
				if !set.nobody {
					assert.Equal(t, "ip=203.0.113.1", client)
				}
			}
			assert.Equal(t, []int{200, 429}, got)
			if set.nobody {
				assert.Equal(t, []string{"GL4"}, s.log.Codes(), "the test's peer is an internal address")
				return
			}
			status, client := s.get(t, set.says("203.0.113.2", "203.0.113.1")...)
			assert.Equal(t, 200, status)
			assert.Equal(t, "ip=203.0.113.2", client)
			assert.Empty(t, s.log.Codes())
		})
	}
}

// TestTheReadmesSetUpsInGin holds the code in each row to what its test does.
func TestTheReadmesSetUpsInGin(t *testing.T) {
	code := regexp.MustCompile("`r\\.(RemoteIPHeaders|TrustedPlatform) = ([^`]+)`")
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \| (.+) \|`).FindAllStringSubmatch(readme(t, "Who is the client?"), -1)[1:] {
		r := gin.New()
		setUps[row[1]].gin(r)
		assert.Contains(t, row[2], "`r.SetTrustedProxies(", row[1])
		for _, line := range code.FindAllStringSubmatch(row[2], -1) {
			switch value := line[2]; {
			case line[1] == "RemoteIPHeaders":
				assert.Equal(t, value, `[]string{"`+strings.Join(r.RemoteIPHeaders, `", "`)+`"}`, row[1])
			case strings.HasPrefix(value, "gin."):
				assert.Equal(t, map[string]string{"gin.PlatformCloudflare": gin.PlatformCloudflare,
					"gin.PlatformFlyIO": gin.PlatformFlyIO}[value], r.TrustedPlatform, row[1])
			default:
				assert.Equal(t, value, `"`+r.TrustedPlatform+`"`, row[1])
			}
		}
	}
}

// TestEveryWarningHasItsHeading looks for each code that the package can log, with the sentence that it logs.
func TestEveryWarningHasItsHeading(t *testing.T) {
	source, err := os.ReadFile("warnings.go")
	require.NoError(t, err)
	said := regexp.MustCompile(`w\.(?:once|log)\((\d+), (?:slog\.\w+, )?"([^"]+)"`).FindAllStringSubmatch(string(source), -1)
	require.Len(t, said, strings.Count(string(source), "w.once(")+strings.Count(string(source), "w.log(")-1,
		"all but the one in once")
	sections := map[string]string{}
	for _, section := range strings.Split(readme(t, "Warnings"), "\n### ")[1:] {
		code, text, _ := strings.Cut(section, ":")
		sections[code] = text
	}
	for _, warning := range said {
		code, sentence := "GL"+warning[1], warning[2]
		require.Contains(t, sections, code)
		for _, part := range []string{"\nCause: ", "\nSign: `", "\nCure: "} {
			assert.Contains(t, sections[code], part, code)
		}
		sign := regexp.MustCompile("\nSign: `([^`]+)`").FindStringSubmatch(sections[code])
		require.NotNil(t, sign, code)
		assert.True(t, strings.HasPrefix(sentence, sign[1]) && len(sign[1]) > 15, "%s says %q", code, sentence)
		delete(sections, code)
	}
	assert.Empty(t, sections, "headings of what is never logged")
}

// TestARewrittenRequest is the README's word on Engine.HandleContext.
func TestARewrittenRequest(t *testing.T) {
	for name, onRoutes := range map[string]bool{"with Use it counts twice": false, "on routes it counts once": true} {
		t.Run(name, func(t *testing.T) {
			limit := New(Quiet, WithScope(IPOnly))
			r := Router()
			var routes []gin.HandlerFunc
			if onRoutes {
				routes = append(routes, limit)
			} else {
				r.Use(limit)
			}
			r.GET("/old", func(c *gin.Context) {
				c.Request.URL.Path = "/new"
				r.HandleContext(c)
			})
			r.GET("/new", append(routes, OK)...)
			assert.Equal(t, map[bool]int{true: 200, false: 429}[onRoutes], Request(r, "GET", "/old", Alice).Code)
		})
	}
}
