package stack

import "syscall"

// ofOurs ends a process with this one, however that ends, and keeps the terminal's Ctrl-C from it: it is ended in order.
func ofOurs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// Detached lets a process outlive this one and its terminal.
func Detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
