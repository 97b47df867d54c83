package harness

import "syscall"

// dieWithParent ends a process also when the test binary is killed or panics, and no cleanup runs.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
