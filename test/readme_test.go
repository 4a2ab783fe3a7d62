package test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
)

// readme returns a section of the README.
func readme(t *testing.T, title string) string {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## "+title+"\n")
	require.True(t, found, title)
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// TestEveryWarningHasItsHeading looks for each code that the package can log, with the sentence that it logs.
func TestEveryWarningHasItsHeading(t *testing.T) {
	source, err := os.ReadFile("../warnings.go")
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
			limit := ginlimit.New(quiet, ginlimit.WithScope(ginlimit.IPOnly))
			r := gintest.NewRouter()
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
			r.GET("/new", append(routes, gintest.OK)...)
			assert.Equal(t, map[bool]int{true: 200, false: 429}[onRoutes], gintest.Request(r, "GET", "/old", gintest.Alice).Code)
		})
	}
}

// TestTheReadmeNamesEveryFault holds the README's table to the tests that are behind its rows.
func TestTheReadmeNamesEveryFault(t *testing.T) {
	section := readme(t, "When Redis is away")
	_, table, found := strings.Cut(section, "\n| fault |")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	tested := []string{"wrong type under a key"} // TestAWrongTypeUnderOneKeyIsNoOutage
	for name := range faults {
		tested = append(tested, name)
	}
	var named []string
	for _, row := range strings.Split(strings.TrimSpace(table), "\n")[2:] {
		named = append(named, strings.Split(strings.TrimSpace(strings.Split(row, "|")[1]), ", ")...)
	}
	assert.ElementsMatch(t, tested, named)
}

// TestTheReadmesRecipesAreExamples looks for each piece of code of the README's recipes in the examples.
func TestTheReadmesRecipesAreExamples(t *testing.T) {
	var tested string
	for _, file := range []string{"recipes_test.go", "example_test.go"} {
		source, err := os.ReadFile("../" + file)
		require.NoError(t, err)
		tested += " " + strings.Join(strings.Fields(string(source)), " ")
	}
	pieces := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme(t, "Recipes"), -1)
	assert.GreaterOrEqual(t, len(pieces), 9)
	for _, piece := range pieces {
		assert.Contains(t, tested, strings.Join(strings.Fields(piece[1]), " "))
	}
}
