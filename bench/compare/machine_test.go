//go:build stack

package compare

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine says what this is measured on, as far as Linux tells.
func machine() string {
	model := runtime.GOARCH
	if m := field("/proc/cpuinfo", "model name"); m != "" {
		model = m
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores of %s, memory %s, Linux %s, %s", runtime.NumCPU(), model, field("/proc/meminfo", "MemTotal"), strings.TrimSpace(string(kernel)), runtime.Version())
}

// field gives what follows "name:" in a file.
func field(path, name string) string {
	data, _ := os.ReadFile(path)
	for line := range strings.Lines(string(data)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(data)); err == nil && len(fields) >= 3 {
		return strings.Join(fields[:3], ", ")
	}
	return "unknown"
}
