package test

import (
	"bytes"
	"go/build"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/ginlimit/ginlimit"

// floors are what each package of the limiter may import of this module: what lies below it.
var floors = map[string][]string{
	".":               {"internal/client", "internal/clock", "internal/marks"},
	"internal/client": nil,
	"internal/marks":  {"internal/clock", "internal/line", "internal/queue"},
	"internal/line":   {"internal/clock"},
	"internal/queue":  nil,
	"internal/clock":  nil,
}

// TestNoImportRunsUp holds that the floors stand on each other, and that those below the root know nothing of Gin.
func TestNoImportRunsUp(t *testing.T) {
	for floor, below := range floors {
		if _, err := os.Stat(filepath.Join("..", floor)); err != nil {
			t.Errorf("%s: %v", floor, err)
			continue
		}
		p, err := build.ImportDir(filepath.Join("..", floor), 0)
		require.NoError(t, err)
		for _, imported := range p.Imports {
			if own, is := strings.CutPrefix(imported, module+"/"); is {
				assert.Contains(t, below, own, "%s imports it", floor)
			}
			if strings.HasPrefix(imported, "github.com/gin-gonic/") {
				assert.Contains(t, []string{".", "internal/client"}, floor, "it imports Gin")
			}
		}
	}
}

// TestTheHouseIsSmall counts the Go files at the top level, and their lines.
func TestTheHouseIsSmall(t *testing.T) {
	files, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	assert.LessOrEqual(t, len(files), 16)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if filepath.Base(file) != "options.go" {
			assert.LessOrEqual(t, bytes.Count(text, []byte("\n")), 200, file)
		}
	}
}
