// Package nginxtest runs a real nginx in front of what a test serves.
package nginxtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ginlimit/ginlimit/internal/guard"
)

// RequireEnv names the environment variable that, when "1", makes a missing nginx a failure instead of a skip.
const RequireEnv = "GINLIMIT_REQUIRE_NGINX"

// Require skips the test where no nginx can be run, or fails it where RequireEnv is "1", and returns the program.
func Require(tb testing.TB) string {
	tb.Helper()
	// Not every user's PATH has Debian's place, and only Linux has all of 127.0.0.0/8 for clients and proxies.
	for _, program := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(program); err == nil && runtime.GOOS == "linux" {
			return path
		}
	}
	if os.Getenv(RequireEnv) == "1" {
		tb.Fatalf("nginx cannot be run here (none found, or not Linux), but %s=1 asks for it", RequireEnv)
	}
	tb.Skipf("nginx cannot be run here (none found, or not Linux); set %s=1 to make this a failure", RequireEnv)
	return ""
}

const config = `
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	server {
		listen %s;
		location / {
			proxy_pass http://%s;
			%s
		}
	}
}
`

// Start runs nginx until the test ends and returns its address, "ip:port". It passes all requests on to an upstream,
// "ip:port" or "unix:path", under the given directives.
func Start(tb testing.TB, upstream string, directives ...string) string {
	tb.Helper()
	program, dir := Require(tb), tb.TempDir()
	if strings.HasPrefix(upstream, "unix:") {
		upstream += ":"
	}
	for range 10 {
		address := freeAddress(tb)
		text := fmt.Sprintf(config, address, upstream, strings.Join(directives, "\n"))
		if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		process, err := guard.Start(dir, program, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
		if err != nil {
			tb.Fatalf("cannot start nginx: %v", err)
		}
		tb.Cleanup(process.Kill)
		if answers(tb, dir, address) {
			return address
		}
	}
	tb.Fatal("nginx found ten ports taken that were free a moment before")
	return ""
}

// answers waits until nginx listens. It returns false where somebody else took the port.
func answers(tb testing.TB, dir, address string) bool {
	tb.Helper()
	log := func() string {
		text, _ := os.ReadFile(filepath.Join(dir, guard.LogName))
		return string(text)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(log(), "Address already in use") {
			return false
		}
		if _, err := os.Stat(filepath.Join(dir, "nginx.pid")); err != nil {
			continue // it is written when the port is nginx's own
		}
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return true
		}
	}
	tb.Fatalf("nginx did not come up at %s; it printed:\n%s", address, log())
	return false
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
