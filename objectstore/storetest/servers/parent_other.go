//go:build !linux

package servers

import "syscall"

// dieWithParent: only Linux offers it.
func dieWithParent() *syscall.SysProcAttr { return nil }
