package sim

import (
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/record"
)

// TestShrink_LeavesLittleOfAFailure: a failure that needs a hundred acknowledgements and one of a plain client alone, among
// all others and all faults.
func TestShrink_LeavesLittleOfAFailure(t *testing.T) {
	const seed = 3
	failed := Run(t, seed, lie)
	if failed.checker() != "unknown though it is there" {
		t.Fatalf("found %v", failed.Violations)
	}
	small := Shrink(t, failed, 20*time.Second)
	if small.checker() != failed.checker() || small.Calls*3 > failed.Calls*2 { // the fewer clients, the longer a hundred acknowledgements take, and maintenance goes on
		t.Errorf("%d calls were made %d: %v", failed.Calls, small.Calls, small)
	}
	if s := small.Settings; s.Consumers > 0 || s.Aging != (Aging{}) || s.Instances > 2 || s.Faults.CommitLate > 0 || s.Plain+s.Idempotent+s.Transactional > 3 {
		t.Errorf("what does not matter is left: %+v", s)
	}
	if again := Run(t, seed, func(into *Settings) { *into = small.Settings }); again.checker() != failed.checker() {
		t.Errorf("the small one does not fail again: %v", again.Violations)
	}
}

// lie lets a client be told a lie after some batches.
func lie(s *Settings) {
	s.lie = func(j *Judge, b *batch) {
		if b.Producer == record.NoProducer && j.Counts().Acks >= 100 {
			j.ToldUnknown(b.Partition)
		}
	}
}

func TestShrink_TakesAwayWhatItNames(t *testing.T) {
	for _, r := range reductions() {
		s := DrawQueues(1)
		s.Plain, s.Idempotent, s.Transactional, s.Consumers, s.Corrupt, s.SkewFirst = 2, 2, 2, 2, .1, time.Second
		for _, p := range s.Faults.each() {
			*p = .5
		}
		n := 0
		for ; n < 100 && r.take(&s); n++ {
		}
		if n == 0 || n == 100 {
			t.Errorf("%s: taken away %d times", r.name, n)
		}
	}
	if len(reductions()) < 20 {
		t.Error("too few")
	}
}
