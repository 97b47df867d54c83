package sim

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "run this one seed, and say much")
	shrinkFlag = flag.Duration("shrink", 30*time.Second, "make a failing history smaller for so long")
	seedsFlag  = flag.Int("seeds", 0, "run so many seeds")
	firstFlag  = flag.Uint64("first", 1, "the first of them")
)

// explain prints what a history did, and for a violation the calls that led to it.
func explain(t *testing.T, r *Report) {
	c := r.Counts
	t.Logf("seed %d: %d calls, %d of them failed or slow on purpose, %v of virtual time; %d commits, %d batches, %d acknowledged, %d read, %d heads, %d states compared, %d producers expired, %d objects swept, %d transactions, %d settled references, %d manifests, %d records compacted in %d swaps, %d log starts moved, %d objects cold",
		r.Seed, r.Calls, r.Faults, r.Tally.Virtual.Round(time.Millisecond), c.Commits, c.Batches, c.Acks, c.Reads, c.Heads, c.Compared, c.Expired, c.Deleted, c.Transactions, c.Settled, c.Manifests, c.Compacted, c.Groups, c.Retained, c.Chilled)
	sayDigest(t, exactly(r.entries))
	if r.bad() && *shrinkFlag > 0 {
		small := Shrink(t, r, *shrinkFlag)
		t.Logf("the same failure with less: %v", small)
		r = small.Report
	}
	for _, v := range r.Violations {
		t.Errorf("seed %d: %v", r.Seed, v)
		for _, e := range tail(r.entries, v.Key, 40) {
			t.Log(e)
		}
	}
}

// histories is how many seeds an ordinary run takes: some 10 s of two idle cores.
const histories = 150

// TestSim runs the first seeds, or one seed (-args -seed=N), or many (-args -first=N -seeds=M).
func TestSim(t *testing.T) {
	if *seedFlag != 0 {
		explain(t, Run(t, *seedFlag, nil))
		return
	}
	n := *seedsFlag
	if n == 0 {
		n = histories
	}
	const workers = 2
	for k := range workers {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			var sum Counts
			var calls int
			var virtual time.Duration
			start := time.Now()
			for i := k; i < n; i += workers {
				r := Run(t, *firstFlag+uint64(i), nil)
				if len(r.Violations) > 0 {
					explain(t, r)
					return
				}
				calls += r.Calls
				virtual += r.Tally.Virtual
				sum.Acks += r.Counts.Acks
				sum.Compared += r.Counts.Compared
				sum.Expired += r.Counts.Expired
			}
			t.Logf("%d histories in %v: %d calls, %d acknowledged, %d states compared, %d producers expired, %v of virtual time",
				n/workers, time.Since(start).Round(time.Millisecond), calls, sum.Acks, sum.Compared, sum.Expired, virtual.Round(time.Second))
		})
	}
}
