package sim

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firnlog/tests/groups"
)

var groupSeedsFlag = flag.Int("groupseeds", 100, "run so many histories of consumer groups")

// TestGroups runs the first seeds, or one (-args -seed=N).
func TestGroups(t *testing.T) {
	if *seedFlag != 0 {
		explainGroups(t, *seedFlag, RunGroups(t, *seedFlag), true)
		return
	}
	const workers = 2
	for k := range workers {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			rebalances, handovers, faults := 0, 0, 0
			commits := map[groups.Outcome]int{}
			for i := k; i < *groupSeedsFlag; i += workers {
				seed := *firstFlag + uint64(i)
				r := RunGroups(t, seed)
				if len(r.Violations) > 0 {
					explainGroups(t, seed, r, false)
					return
				}
				for _, n := range r.Tally.Faults {
					faults += n
				}
				for _, c := range r.Counts {
					rebalances, handovers = rebalances+c.Rebalances, handovers+c.Handovers
					for o, n := range c.Commits {
						commits[o] += n
					}
				}
			}
			t.Logf("%d histories in %v: %d disturbances, %d generations, %d handovers, commits %v", *groupSeedsFlag/workers, time.Since(start).Round(time.Millisecond), faults, rebalances, handovers, commits)
		})
	}
}

func explainGroups(t *testing.T, seed uint64, r *GroupReport, verbose bool) {
	t.Logf("seed %d: %d kinds of faults in %v of virtual time", seed, len(r.Tally.Faults), r.Tally.Virtual.Round(time.Second))
	sayDigest(t, r.exactly())
	for i, c := range r.Counts {
		t.Logf("%s: %+v", groupNames[i], c)
	}
	for _, v := range r.Violations {
		t.Errorf("seed %d: %v", seed, v)
	}
	for _, h := range r.Histories {
		for _, e := range h.Events {
			if verbose && len(r.Violations) > 0 && e.Kind != groups.Processed && e.Kind != groups.Read {
				t.Log(h.Group, e)
			}
		}
	}
}
