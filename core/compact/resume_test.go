package compact_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/topic"
)

// TestCompact_AWalkThroughTheHeadIsGoneOnWithWhereItWasLeft: what the walk is to get through lies behind the manifest, which has just got the
// first part of it.
func TestCompact_AWalkThroughTheHeadIsGoneOnWithWhereItWasLeft(t *testing.T) {
	bubble(t, 1, nil, func(f *fixture) {
		f.tune = func(s *compact.Settings) {
			tiny(s)
			s.KeysBytes, s.StepMax = 24*100, -1 // every group is a step of its own
		}
		for i := range 60 {
			f.send("", record.CodecNone, [2]string{fmt.Sprint("k", i%50), fmt.Sprint("a value of some length, number ", i, " of all that are sent here")})
			if i%20 == 19 {
				f.settleSpans()
			}
		}
		end := record.Offset(len(f.log))
		for n := 0; f.clean() < end; n++ {
			if n > 100 {
				f.t.Fatalf("clean up to %d of %d after %d steps", f.clean(), end, n)
			}
			if _, err := f.compactorOf(f.a).Step(f.t.Context()); err != nil { // each by another instance
				f.t.Fatal(err)
			}
		}
		f.check()
		if groups := len(f.reports); groups < 3 {
			f.t.Errorf("all of it took %d steps: nothing was left", groups)
		}
	})
}

// TestCompact_AWalkIsGoneOnWithThoughWhatIsLeftOfItWasMergedWithYoungRecords: min.compaction.lag.ms keeps a walk from beginning, not from
// coming to its end; the young records stay.
func TestCompact_AWalkIsGoneOnWithThoughWhatIsLeftOfItWasMergedWithYoungRecords(t *testing.T) {
	bubble(t, 1, []string{topic.MinCompactionLagMs, fmt.Sprint(time.Hour.Milliseconds())}, func(f *fixture) {
		f.tune = func(s *compact.Settings) {
			tiny(s)
			s.Bytes, s.KeysBytes, s.StepMax = 100, 24*100, -1 // every span of the head is a step of its own
		}
		batch := func(records int) {
			for i := range records {
				f.send("", record.CodecNone, [2]string{fmt.Sprint("k", i%2*len(f.log)), fmt.Sprint("value ", len(f.log))})
			}
			f.settleSpans()
		}
		batch(5)
		time.Sleep(2 * time.Hour)
		f.compactAll() // so that all that is left to do is what will be merged
		batch(5)
		batch(5)
		old := record.Offset(len(f.log))
		time.Sleep(2 * time.Hour)
		f.step()
		if at := f.progress(); at.Through != old || at.Clean != 5 || at.Done >= old {
			f.t.Fatalf("the walk is not under way: %+v", at)
		}
		batch(10) // enough for an object of its own, with all that is in the head
		for range 5 {
			f.step()
		}
		if at := f.progress(); at.Clean != old {
			f.t.Errorf("the walk has not come to its end at %d: %+v", old, at)
		}
		f.check()
		records, _, end := f.read(f.a, false)
		if young := slices.DeleteFunc(records, func(g got) bool { return g.offset < old }); len(young) != 10 || end != old+10 {
			f.t.Errorf("of 10 young records %v are left", young)
		}
	})
}

// TestCompact_AWalkWaitsForTheEndOfATransactionWithWhichWhatIsLeftOfItWasMerged: nothing beyond the last stable offset is rewritten, so an
// object that reaches beyond it is not, and what the walk was to do of it is not done.
func TestCompact_AWalkWaitsForTheEndOfATransactionWithWhichWhatIsLeftOfItWasMerged(t *testing.T) {
	bubble(t, 1, nil, func(f *fixture) {
		f.tune = func(s *compact.Settings) {
			tiny(s)
			s.Bytes, s.KeysBytes, s.StepMax = 100, 24*100, -1 // every span of the head is a step of its own
		}
		batch := func(id string, records int) {
			for i := range records {
				f.send(id, record.CodecNone, [2]string{fmt.Sprint("k", i%2), fmt.Sprint("value ", len(f.log))})
			}
			f.settleSpans()
		}
		batch("", 5)
		f.compactAll()
		batch("", 40) // one object stays as it is
		batch("", 5)
		old := record.Offset(len(f.log))
		f.step()
		left := f.progress()
		if left.Through != old || left.Done >= old {
			f.t.Fatalf("the walk is not under way: %+v", left)
		}
		batch("x", 10) // with the other two, enough for an object of its own
		for range 5 {
			f.step()
		}
		if at := f.progress(); at != left {
			f.t.Errorf("the walk came to %+v from %+v, with the transaction open", at, left)
		}
		f.end("x", true)
		f.settleSpans()
		for range 5 {
			f.step()
		}
		if at := f.progress(); at.Clean < old {
			f.t.Errorf("the walk has not come to its end at %d: %+v", old, at)
		}
		f.check()
	})
}

// step is one of a compactor that remembers nothing.
func (f *fixture) step() {
	f.t.Helper()
	if _, err := f.compactorOf(f.a).Step(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// settleSpans settles everything and leaves it in the head.
func (f *fixture) settleSpans() {
	f.t.Helper()
	time.Sleep(2 * time.Minute)
	f.settleHeads()
	s := settle.Settings{Store: f.a.Store, KV: f.a.KV, Keys: f.Keys, Stream: f.a.Stream, Now: f.a.Now, Log: coretest.Quiet()}.Defaults()
	s.Bytes, s.Age, s.Rest, s.SegmentsMax, s.FanIn, s.SpansMax, s.SpillObjects, s.PieceBytes, s.AheadBytes = 1500, time.Minute, 0, 100, 30, 80, 100, 700, 2000
	if err := settle.New(s).Run(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// clean is how far compaction is.
func (f *fixture) clean() record.Offset {
	f.t.Helper()
	return f.progress().Clean
}

// progress is what the manifest says of compaction.
func (f *fixture) progress() (at manifest.Compaction) {
	f.t.Helper()
	var m *ledger.Manifest
	f.a.View(func(l *ledger.Ledger) { m = l.Partition(f.tp).Manifest() })
	if m == nil {
		return at
	}
	root, err := archive.New(f.Disk, 1<<20).Root(f.t.Context(), f.tp, m)
	if err != nil {
		f.t.Fatal(err)
	}
	return root.Compaction
}
