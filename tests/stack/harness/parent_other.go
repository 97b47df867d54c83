//go:build !linux

package harness

import "syscall"

// dieWithParent: only Linux offers it.
func dieWithParent() *syscall.SysProcAttr { return nil }
