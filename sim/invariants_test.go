package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/core/rule"
)

// TestMutations_BreakEveryInvariant: no rule and no invariant is left out.
func TestMutations_BreakEveryInvariant(t *testing.T) {
	broken, off := map[string]bool{}, map[rule.Rule]bool{}
	for _, m := range Mutations() {
		off[m.Rule] = true
		for _, name := range strings.Split(m.Breaks, ", ") {
			broken[name] = true
		}
	}
	for i := range 13 {
		if name := fmt.Sprintf("I%d", i+1); !broken[name] {
			t.Errorf("nothing breaks %s", name)
		}
	}
	for _, r := range rule.All() {
		if !off[r] {
			t.Errorf("%s is in no mutation", r)
		}
	}
}
