// Package browser tests the example's page in a real browser. It is a module of its own, so that those who use the
// library don't get a browser's protocol with it.
package browser

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience bounds every wait. It is generous because it only costs time when something is wrong.
const patience = 60 * time.Second

var printedPage = regexp.MustCompile(`http://localhost:\d+`)

// startExample builds and runs the example with an embedded Redis on two ports, where 0 is any free one, and returns the
// address of its page.
func startExample(t *testing.T, ports string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "example.exe") // Windows wants the suffix, the others don't mind
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = ".."
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the example cannot be built: %v\n%s", err, said)
	}

	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "REDIS_URL=", "PORTS="+ports)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if page := printedPage.FindString(lines.Text()); page != "" {
			return page
		}
	}
	t.Fatal("the example ended without naming its page")
	return ""
}

// startBrowser runs a headless Chromium until the test ends. Without one the test is skipped, or fails where
// GINLIMIT_REQUIRE_CHROMIUM is 1, so that no run is green because it tested nothing.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path := findChromium()
	if path == "" {
		if os.Getenv("GINLIMIT_REQUIRE_CHROMIUM") == "1" {
			t.Fatal("there is no chromium on PATH, but GINLIMIT_REQUIRE_CHROMIUM=1 asks for it")
		}
		t.Skip("there is no chromium on PATH; GINLIMIT_REQUIRE_CHROMIUM=1 makes this a failure")
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // CI often is root, where the sandbox refuses to start; only our own page is opened
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(patience),
	)...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits, so that nobody still writes where the profile is removed
		closeTab()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return ctx
}

func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}
