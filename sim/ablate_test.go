//go:build ablate

package sim

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/rule"
)

var (
	onlyFlag = flag.String("only", "", "ablate only rules whose name contains this")
	mostFlag = flag.Int("most", 120, "seeds a rule at most")
	harmFlag = flag.Int("harm", 60, "seeds at most to find harm behind a direct checker")
)

// direct are the checkers that look at a rule itself. Blind to them, a history must still come to harm.
var direct = []string{"marks grow", "one commit a revision", "one segment committed twice", "outcome", "settled bytes", "retained too little"}

// TestSim_MissesEveryRule switches off one rule at a time: some history of the first seeds must fail.
// With all rules on the same seeds hold (TestSim).
func TestSim_MissesEveryRule(t *testing.T) {
	t.Logf("| invariant | rule off | found by | first seed | without the checkers that look at the rule itself | time |")
	for _, m := range Mutations() {
		r := m.Rule
		if !strings.Contains(r.String(), *onlyFlag) || m.Queues {
			continue
		}
		start := time.Now()
		caught, seeds := ablate(t, r, *mostFlag, nil)
		if caught == nil {
			t.Errorf("| %s | %-20s | not caught in %d seeds", m.Breaks, r, seeds)
			continue
		}
		harm := "the same"
		if slices.Contains(direct, caught.Violations[0].Checker) {
			harmed, seeds := ablate(t, r, *harmFlag, func(s *Settings, _ uint64) { s.Blind = direct })
			if harm = fmt.Sprintf("nothing in %d seeds", seeds); harmed != nil {
				harm = fmt.Sprintf("%s (seed %d)", harmed.Violations[0].Checker, harmed.Seed)
			}
		}
		t.Logf("| %s | %-20s | %-34s | %3d | %-40s | %v |", m.Breaks, r, caught.Violations[0].Checker, caught.Seed, harm, time.Since(start).Round(time.Millisecond))
		if *onlyFlag != "" {
			t.Log(caught.Violations[0])
		}
	}
}

// ablate runs seeds without a rule until one fails, two at a time, and gives the first to fail.
func ablate(t *testing.T, r rule.Rule, most int, tune func(*Settings, uint64)) (caught *Report, seeds int) {
	defer rule.Without(r)()
	var next atomic.Uint64
	var mu sync.Mutex
	worker := func(t *testing.T) {
		t.Parallel()
		for {
			seed := next.Add(1)
			mu.Lock()
			enough := caught != nil || seed > uint64(most)
			mu.Unlock()
			if enough {
				return
			}
			report := Run(t, seed, func(s *Settings) {
				if tune != nil {
					tune(s, seed)
				}
			})
			mu.Lock()
			seeds++
			if report.bad() && (caught == nil || report.Seed < caught.Seed) {
				caught = report
			}
			mu.Unlock()
		}
	}
	t.Run(r.String(), func(t *testing.T) {
		t.Run("0", worker)
		t.Run("1", worker)
	})
	return caught, seeds
}
