//go:build !linux

package stack

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// startOf says when a process started, to the second.
func startOf(pid int) (string, error) {
	out, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	if text := strings.TrimSpace(string(out)); err == nil && text != "" {
		return text, nil
	}
	return "", fmt.Errorf("look at process %d: %w", pid, os.ErrProcessDone)
}
