package goals

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Busy is how long all cores together have worked since the machine was started: for whoever, and in the kernel. Linux alone.
func Busy() (time.Duration, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read what the machine works: %w", err)
	}
	return busy(string(data))
}

// busy reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. Guests are within user and nice. What
// was stolen is other machines' work.
func busy(stat string) (time.Duration, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0, errors.New("unknown form of /proc/stat")
	}
	const ticksPerSecond = 100 // USER_HZ
	sum := int64(0)
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("unknown form of /proc/stat: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticksPerSecond, nil
}

// Load is what /proc/loadavg says: processes that run or wait to, on average of one minute, of five and of fifteen.
func Load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(data)); err == nil && len(fields) >= 3 {
		return strings.Join(fields[:3], ", ")
	}
	return "unknown"
}
