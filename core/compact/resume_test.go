package compact_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
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
