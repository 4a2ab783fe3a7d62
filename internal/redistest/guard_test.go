//go:build unix

package redistest

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// victimEnv makes TestVictim, in a test binary of its own, wait to be killed.
const victimEnv = "REDISTEST_VICTIM"

func TestVictim(t *testing.T) {
	if os.Getenv(victimEnv) == "" {
		t.Skip("only runs as the child of TestServersDieWithTheTestBinary")
	}
	running, paused := Start(t), Start(t)
	paused.Pause()
	_, _ = os.Stdout.WriteString("PIDS " + strconv.Itoa(running.guard.PID()) +
		" " + strconv.Itoa(paused.guard.PID()) + "\n")
	select {}
}

func TestServersDieWithTheTestBinary(t *testing.T) {
	Require(t)
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT, syscall.SIGQUIT} {
		t.Run(signal.String(), func(t *testing.T) {
			victim := exec.Command(os.Args[0], "-test.run=^TestVictim$")
			victim.Env = append(os.Environ(), victimEnv+"=1", "TMPDIR="+t.TempDir())
			victim.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			stdout, err := victim.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, victim.Start())
			pids := readPIDs(bufio.NewScanner(stdout))

			// To the whole group, as a terminal does, except for the SIGKILL.
			target := -victim.Process.Pid
			if signal == syscall.SIGKILL {
				target = victim.Process.Pid
			}
			require.NoError(t, syscall.Kill(target, signal))
			require.Error(t, victim.Wait())

			require.Len(t, pids, 2)
			for _, pid := range pids {
				waitUntil(t, "the server is gone", func() bool {
					return syscall.Kill(pid, 0) == syscall.ESRCH
				})
			}
		})
	}
}

func readPIDs(lines *bufio.Scanner) (pids []int) {
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] != "PIDS" {
			continue
		}
		for _, field := range fields[1:] {
			pid, _ := strconv.Atoi(field)
			pids = append(pids, pid)
		}
		break
	}
	return pids
}
