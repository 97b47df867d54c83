package stack

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// startOf says when a process started, in words that no other process of this id can ever have: the boot of this machine, and ticks since.
func startOf(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", fmt.Errorf("look at process %d: %w", pid, err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("look at process %d: %w", pid, err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // before it: the program's name, which may hold anything
	const state, start = 0, 19                                                // fields 3 and 22 of proc(5)
	if len(fields) <= start || fields[state] == "Z" {
		return "", fmt.Errorf("look at process %d: %w", pid, os.ErrProcessDone)
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[start], nil
}
