//go:build ablate

package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/rule"
)

// transactionRules are those that the history of the clients must tell by itself.
var transactionRules = []rule.Rule{rule.TxnRegister, rule.TxnFence, rule.TxnDropsOffsets, rule.StableEnd, rule.UnknownStays}

// TestQueues_MissesEveryTransactionRule switches off one rule at a time, and all checkers but that of the queues: some history
// of the first seeds must fail. With -args -only it takes any rule.
func TestQueues_MissesEveryTransactionRule(t *testing.T) {
	for _, r := range rule.All() {
		if *onlyFlag == "" && !slices.Contains(transactionRules, r) || !strings.Contains(r.String(), strings.TrimSuffix(*onlyFlag, "*")) {
			continue
		}
		start := time.Now()
		caught, seeds := ablate(t, r, *mostFlag, func(s *Settings, seed uint64) {
			asQueues(s, seed)
			s.Blind = []string{everything}
		})
		if caught == nil {
			t.Errorf("| %-20s | not caught in %d seeds, %v", r, seeds, time.Since(start).Round(time.Millisecond))
			continue
		}
		t.Logf("| %-20s | %-34s | %3d | %v", r, list(caught), caught.Seed, time.Since(start).Round(time.Millisecond))
		if *onlyFlag != "" {
			t.Log(caught.Queue.Findings)
		}
	}
}

// list names the classes that were found.
func list(r *Report) string {
	var out []string
	for _, f := range r.Queue.Findings {
		if !slices.Contains(out, string(f.Class)) {
			out = append(out, string(f.Class))
		}
	}
	return strings.Join(out, ", ")
}
