package upkeep_test

import (
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

func TestCheckpoint_WritesSixtyHeadsATransaction(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		var in []ingest.Incoming
		for p := range 150 {
			in = append(in, coretest.Plain(f.part(p), "x"))
		}
		f.a.MustProduce(in...)
		f.Transcript()
		do(t, f.a, f.a.Upkeep.Checkpoint)
		commits := 0
		for _, l := range f.Transcript() {
			if strings.HasPrefix(l, "a kv commit log/heads/") {
				commits++
			} else if strings.HasPrefix(l, "a store") {
				t.Errorf("a checkpoint writes no objects: %s", l)
			}
		}
		if heads := len(f.Items(f.Keys.Heads())); heads != 150 || commits != 3 {
			t.Errorf("%d heads in %d transactions, want 150 in 3", heads, commits)
		}
		f.Transcript()
		do(t, f.a, f.a.Upkeep.Checkpoint)
		for _, l := range f.Transcript() {
			if strings.Contains(l, "commit") {
				t.Errorf("nothing is due, yet: %s", l)
			}
		}
	})
}

func TestCheckpoint_WaitsUntilCommitsAreOldEnough(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		do(t, f.a, f.a.Upkeep.Checkpoint)
		time.Sleep(14 * time.Second)
		do(t, f.a, f.a.Upkeep.Checkpoint)
		if f.head(t, f.tp) != nil {
			t.Error("a head before 15 s")
		}
		time.Sleep(2 * time.Second)
		do(t, f.a, f.a.Upkeep.Checkpoint)
		if f.head(t, f.tp) == nil {
			t.Error("no head after 15 s")
		}
	})
}

func TestCheckpoint_AsOfMovesForwardOnlyAndALateOneLosesNothing(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		b := f.Instance("b", eagerly).Ready()
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		b.Barrier()
		// b is paused in the middle of its checkpoint, and goes on after a's.
		f.FaultKV(func(who string, op coordination.Op, key string) coordination.Decision {
			if who == "b" && op == coordination.OpCommit {
				return coordination.Decision{Delay: time.Minute}
			}
			return coordination.Decision{}
		})
		late := make(chan error)
		b.Upkeep.Observe()
		go func() { late <- b.Upkeep.Checkpoint(t.Context()) }()
		time.Sleep(time.Second)
		f.a.MustProduce(coretest.Plain(f.tp, "y"))
		do(t, f.a, f.a.Upkeep.Checkpoint)
		if _, err := f.a.Upkeep.DeleteRecords(t.Context(), f.tp, 1); err != nil {
			t.Fatal(err)
		}
		before := f.head(t, f.tp)
		if err := <-late; err != nil {
			t.Fatal(err)
		}
		if after := f.head(t, f.tp); after.AsOf < before.AsOf || after.LogStart != 1 || after.Next != 2 {
			t.Errorf("as-of %d after %d, log start %d, next %d", after.AsOf, before.AsOf, after.LogStart, after.Next)
		}
	})
}

// holes is a commit whose every second batch is refused: as many spans.
func holes(t *testing.T, f *fixture, spans int) {
	t.Helper()
	id, err := f.a.Stream.NewID()
	if err != nil {
		t.Fatal(err)
	}
	run := ledger.Run{Partition: f.tp, Position: 8}
	for range spans {
		run.Entries = append(run.Entries, ledger.Entry{Records: 1, Bytes: 1, Producer: record.NoProducer}, ledger.Entry{Records: 1, Bytes: 1, Producer: 7, Sequence: 5})
	}
	c := ledger.Commit{Segments: []ledger.SegmentRef{{ID: id, Size: 1}}, Runs: []ledger.Run{run}}
	f.Put(f.Keys.Commit(id), c.Encode())
}

func TestCheckpoint_AHeadTooLargeBlocksNobodyElse(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		holes(t, f, 80_000)
		f.a.MustProduce(coretest.Plain(f.part(1), "y"))
		do(t, f.a, f.a.Upkeep.Checkpoint)
		if f.head(t, f.tp) != nil {
			t.Fatal("the head fits; the test needs a larger one")
		}
		if f.head(t, f.part(1)) == nil {
			t.Error("the neighbour has no head")
		}
	})
}
