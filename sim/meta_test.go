package sim

import (
	"fmt"
	"runtime"
	"testing"
)

// TestSim_OneSeedTwiceGivesTheSameTranscript also with one and with two threads: what is
// scheduled first must not matter, or a failing seed would be of no use.
func TestSim_OneSeedTwiceGivesTheSameTranscript(t *testing.T) {
	for seed := *firstFlag; seed < *firstFlag+uint64(*metaFlag); seed++ {
		first := Run(t, seed, nil)
		threads := runtime.GOMAXPROCS(1)
		second := Run(t, seed, nil)
		runtime.GOMAXPROCS(threads)
		if digest(first.entries) != digest(second.entries) {
			t.Errorf("seed %d: %s", seed, firstDifference(first.entries, second.entries))
		}
	}
}

func TestQueues_OneSeedTwiceGivesTheSameTranscript(t *testing.T) {
	for seed := uint64(1); seed <= 2; seed++ {
		first := Run(t, seed, func(s *Settings) { asQueues(s, seed) })
		second := Run(t, seed, func(s *Settings) { asQueues(s, seed) })
		if digest(first.entries) != digest(second.entries) {
			t.Errorf("seed %d: %s", seed, firstDifference(first.entries, second.entries))
		}
	}
}

// firstDifference lists the first calls that only one of two transcripts has.
func firstDifference(a, b []entry) string {
	count := map[entry]int{}
	for _, e := range a {
		count[e]++
	}
	for _, e := range b {
		count[e]--
	}
	out := fmt.Sprintf("the transcripts of %d and %d calls differ:", len(a), len(b))
	for _, x := range [][]entry{a, b} {
		out += "\n"
		for n, i := 0, 0; i < len(x) && n < 12; i++ {
			if count[x[i]] != 0 {
				out += fmt.Sprintf("\n  %v", x[i])
				n++
			}
		}
	}
	return out
}
