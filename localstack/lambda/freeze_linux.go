package lambda

import "syscall"

// dieWithParent lets no function outlive this process. A terminal's Ctrl-C does not reach it: an invocation that is on its way may end.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// freeze stops all threads of the process, thaw lets them go on. A process that is gone needs neither.
func (e *environment) freeze() { _ = e.cmd.Process.Signal(syscall.SIGSTOP) }
func (e *environment) thaw()   { _ = e.cmd.Process.Signal(syscall.SIGCONT) }
