package bench

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is what processes have used since they started.
type Usage struct {
	CPU    time.Duration // user and system, all processes together
	Memory int64         // bytes resident at most, summed over processes
}

// UsageOf reads /proc: Linux alone.
func UsageOf(pids ...int) (sum Usage, err error) {
	for _, pid := range pids {
		one, err := usageOf(pid)
		if err != nil {
			return sum, fmt.Errorf("usage of process %d: %w", pid, err)
		}
		sum.CPU += one.CPU
		sum.Memory += one.Memory
	}
	return sum, nil
}

func usageOf(pid int) (u Usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	_, after, ok := strings.Cut(string(stat), ") ") // the name before may hold anything
	fields := strings.Fields(after)
	if !ok || len(fields) < 14 {
		return u, errors.New("unknown form of stat")
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err = errors.Join(err, err2); err != nil {
		return u, err
	}
	const ticksPerSecond = 100 // USER_HZ: the same on all that Go runs on
	u.CPU = time.Duration(user+system) * time.Second / ticksPerSecond
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				return u, err
			}
			u.Memory = kib << 10
		}
	}
	return u, nil
}

// Self is what this process, the client, has used.
func Self() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
