package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait. It is generous because it only costs time when something is wrong.
const patience = 60 * time.Second

var binary string

// TestMain builds the program once, so that the tests run what a user runs.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ginlimit-example")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "example.exe") // Windows wants the suffix, the others don't mind
		build := exec.Command("go", "build", "-o", binary, ".")
		build.Stderr = os.Stderr
		if build.Run() != nil {
			return 1
		}
		return m.Run()
	}())
}

// example is the running program.
type example struct {
	cmd     *exec.Cmd
	printed []string // what it printed until it was ready
	stderr  bytes.Buffer
	done    chan error // how it ended
}

func command(env ...string) *exec.Cmd {
	cmd := exec.Command(binary)
	// Port 0 is any free one. An empty REDIS_URL keeps away the one of whoever runs the test.
	cmd.Env = append(append(os.Environ(), "REDIS_URL=", "PORTS=0,0"), env...)
	return cmd
}

// start runs the program until it is ready, and ends it with the test.
func start(t *testing.T, env ...string) *example {
	t.Helper()
	e := &example{cmd: command(env...), done: make(chan error, 1)}
	e.cmd.Stderr = &e.stderr
	stdout, err := e.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, e.cmd.Start())
	t.Cleanup(func() { _ = e.cmd.Process.Kill() })

	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			e.printed = append(e.printed, lines.Text())
			if strings.Contains(lines.Text(), "Ctrl-C") {
				close(ready)
				break
			}
		}
		for lines.Scan() { // Wait must not come before the last line was read
		}
		e.done <- e.cmd.Wait()
	}()
	select {
	case <-ready:
	case err := <-e.done:
		require.FailNow(t, "the example ended at once", "%v: %s", err, &e.stderr)
	case <-time.After(patience):
		require.FailNow(t, "the example did not get ready")
	}
	return e
}

// stop asks the program to end as a service manager does, and returns how it ended.
func (e *example) stop(t *testing.T) error {
	t.Helper()
	require.NoError(t, e.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-e.done:
		return err
	case <-time.After(patience):
		require.FailNow(t, "the example did not stop on SIGTERM")
		return nil
	}
}
