//go:build ablate

package sim

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/rule"
)

var (
	onlyFlag = flag.String("only", "", "ablate only rules whose name contains this")
	mostFlag = flag.Int("most", 60, "seeds a rule at most")
)

// TestSim_MissesEveryRule switches off one rule at a time: some history of the first seeds must fail.
// With all rules on the same seeds hold (TestSim).
func TestSim_MissesEveryRule(t *testing.T) {
	for _, r := range rule.All() {
		if !strings.Contains(r.String(), *onlyFlag) {
			continue
		}
		start := time.Now()
		report, seeds := ablate(t, r)
		if report == nil {
			t.Errorf("| %-20s | not caught in %d seeds (%v)", r, seeds, time.Since(start).Round(time.Millisecond))
			continue
		}
		v := report.Violations[0]
		t.Logf("| %-20s | %-34s | seed %3d of %d | %v", r, v.Checker, report.Seed, seeds, time.Since(start).Round(time.Millisecond))
		if *onlyFlag != "" {
			t.Log(v)
		}
	}
}

// ablate runs seeds without a rule until one fails, two at a time, and gives the first to fail.
func ablate(t *testing.T, r rule.Rule) (caught *Report, seeds int) {
	defer rule.Without(r)()
	var next atomic.Uint64
	var mu sync.Mutex
	t.Run(r.String(), func(t *testing.T) {
		for k := range 2 {
			t.Run(fmt.Sprint(k), func(t *testing.T) {
				t.Parallel()
				for {
					seed := next.Add(1)
					mu.Lock()
					enough := caught != nil || seed > uint64(*mostFlag)
					mu.Unlock()
					if enough {
						return
					}
					report := Run(t, seed, tuneFor(r))
					mu.Lock()
					seeds++
					if len(report.Violations) > 0 && (caught == nil || report.Seed < caught.Seed) {
						caught = report
					}
					mu.Unlock()
				}
			})
		}
	})
	return caught, seeds
}

// tuneFor makes what a rule guards against happen more often.
func tuneFor(r rule.Rule) func(*Settings) {
	return nil
}
