// Package guard runs a program that cannot outlive the test which started it.
package guard

import (
	"bufio"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// LogName is the file in a program's directory that holds what it printed.
const LogName = "server.log"

// guardScript runs a command until standard input ends. The test process holds
// the other end of that pipe, so the kernel closes it however the test process
// dies, and the shell then kills the command. Because the shell is the parent,
// the process id stays the command's until the shell reaped it.
//
// Signals are ignored because they reach the whole group: an interrupt, or the
// SIGHUP the kernel sends to an orphaned group with a stopped (paused) member.
const guardScript = `trap '' HUP INT QUIT TERM
"$@" </dev/null >` + LogName + ` 2>&1 &
echo $!
read -r line
kill -9 $!
wait $!`

// Process is a running program that cannot outlive this one.
type Process struct {
	shell *exec.Cmd
	stdin io.Closer
	pid   int // of the guarded command, not of the shell
}

// Start runs a command in a directory.
func Start(dir string, command ...string) (*Process, error) {
	shell := exec.Command("sh", append([]string{"-c", guardScript, "guard"}, command...)...)
	shell.Dir = dir
	stdin, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := shell.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, err
	}

	g := &Process{shell: shell, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		g.pid, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		g.Kill()
		return nil, err
	}
	return g, nil
}

// PID is the command's process id.
func (g *Process) PID() int { return g.pid }

// Kill ends the command with SIGKILL and returns when it is reaped.
func (g *Process) Kill() {
	_ = g.stdin.Close()
	_ = g.shell.Wait() // reports the kill as an error
}
