//go:build unix && !linux

package stack

import "syscall"

func ofOurs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// Detached lets a process outlive this one and its terminal.
func Detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
