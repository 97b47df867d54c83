package lambda

import "syscall"

// dieWithParent lets no function outlive this process.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// freeze stops all threads of the process, thaw lets them go on. A process that is gone needs neither.
func (e *environment) freeze() { _ = e.cmd.Process.Signal(syscall.SIGSTOP) }
func (e *environment) thaw()   { _ = e.cmd.Process.Signal(syscall.SIGCONT) }
