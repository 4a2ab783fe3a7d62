//go:build !unix

package redistest

import "testing"

// BlackHoleListener would return an address at which connect itself hangs. There
// is no such address here, so the test is skipped.
func BlackHoleListener(tb testing.TB) string {
	tb.Helper()
	tb.Skip("no address at which connect hangs can be made on this system")
	return ""
}
