package main

import (
	"math"
	"runtime/debug"

	"github.com/firnlog/firnlog/core/config"
)

// limitMemory makes the runtime collect garbage more often near the limit: requests and objects pass through in buffers of
// megabytes, which it would otherwise leave until there is as much garbage as live memory. Who has set GOMEMLIMIT is obeyed.
func limitMemory(s *config.Serving) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(s.MemoryLimitBytes())
	}
}
