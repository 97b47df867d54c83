package sim

import (
	"fmt"
	"runtime"
	"testing"
)

// TestSim_OneSeedTwiceGivesTheSameTranscript also with one and with two threads: what is
// scheduled first must not matter, or a failing seed would be of no use.
func TestSim_OneSeedTwiceGivesTheSameTranscript(t *testing.T) {
	for seed := uint64(1); seed <= uint64(*metaFlag); seed++ {
		first := Run(t, seed, nil)
		threads := runtime.GOMAXPROCS(1)
		second := Run(t, seed, nil)
		runtime.GOMAXPROCS(threads)
		if first.Digest != second.Digest {
			t.Errorf("seed %d: %s", seed, firstDifference(first.entries, second.entries))
		}
	}
}

func firstDifference(a, b []entry) string {
	for i := range a {
		if i == len(b) || a[i] != b[i] {
			out := fmt.Sprintf("the transcripts differ at entry %d of %d and %d:", i, len(a), len(b))
			for k := max(0, i-8); k < min(i+4, len(a), len(b)); k++ {
				out += fmt.Sprintf("\n  %v\n  %v", a[k], b[k])
			}
			return out
		}
	}
	return "one is longer"
}
