//go:build unix

package redistest

import "syscall"

// supported says that this system has what a guard and Pause need.
const supported = true

func sendStop(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }

func sendContinue(pid int) error { return syscall.Kill(pid, syscall.SIGCONT) }
