package redistest

import (
	"os"
	"os/exec"
	"testing"
)

// RequireEnv names the environment variable that, when "1", makes a missing
// redis-server a failure instead of a skip. CI sets it, so that no run is green
// because it tested nothing.
const RequireEnv = "GINLIMIT_REQUIRE_REDIS"

// Require skips the test when no redis-server can be run here, or fails it when
// RequireEnv is "1". Everything in this package that starts a server calls it.
func Require(tb testing.TB) {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); supported && err == nil {
		return
	}
	if os.Getenv(RequireEnv) == "1" {
		tb.Fatalf("redis-server cannot be run here (not on PATH, or not a Unix), but %s=1 asks for it", RequireEnv)
	}
	tb.Skipf("redis-server cannot be run here (not on PATH, or not a Unix); set %s=1 to make this a failure", RequireEnv)
}
