package txn_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

// stored gives what transactions/x holds.
func (f *fixture) stored() string {
	f.T.Helper()
	snap, err := f.a.KV.Get(f.T.Context(), f.Keys.Transaction("x"))
	if err != nil {
		f.T.Fatal(err)
	}
	return string(snap.Items[0].Value)
}

// addGroups adds groups until one is refused.
func (f *fixture) addGroups(who txn.Identity) {
	f.T.Helper()
	for i := range 200 {
		err := f.b.Txns.AddGroup(f.T.Context(), "x", who, fmt.Sprint("g", i))
		if errors.Is(err, txn.ErrTooLarge) {
			return
		}
		if err != nil {
			f.T.Fatal(err)
		}
	}
	f.T.Error("200 groups were taken")
}

// A transaction whose markers do not fit one commit record could neither be committed nor aborted, nor time out: readers would wait for
// ever. So its last partitions are refused.
func TestLimits_PartitionsWhoseMarkersWouldNotFitAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.b)
		f.b.MustProduce(batch(who, f.part(0), 0, "a"))
		before := f.stored()
		many := make([]record.TopicPartition, 200_000)
		for i := range many {
			many[i] = f.part(i)
		}
		if err := f.b.Txns.AddPartitions(t.Context(), "x", who, many); !errors.Is(err, txn.ErrTooLarge) {
			t.Errorf("%d partitions: %v, want ErrTooLarge", len(many), err)
		}
		_, err := f.b.Txns.Join(t.Context(), txn.JoinRequest{ID: "x", Identity: who, Partitions: many, Implicit: true})
		if !errors.Is(err, txn.ErrTooLarge) {
			t.Errorf("%d partitions with their batches: %v, want ErrTooLarge", len(many), err)
		}
		if f.stored() != before {
			t.Error("something was written")
		}
		f.end(f.b, who, false, true)
		f.wantStable(f.part(0), 2, 2)
	})
}

func TestLimits_TheLargestTransactionThatIsTakenCanBeEnded(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who, taken := f.init(f.b), 0
		f.b.MustProduce(batch(who, f.part(0), 0, "a"))
		for step := 64_000; step > 0; {
			more := make([]record.TopicPartition, step)
			for i := range more {
				more[i] = f.part(taken + i)
			}
			if err := f.b.Txns.AddPartitions(t.Context(), "x", who, more); err == nil {
				taken += step
			} else if errors.Is(err, txn.ErrTooLarge) {
				step /= 2
			} else {
				t.Fatal(err)
			}
		}
		f.addGroups(who)
		if taken < 100_000 {
			t.Errorf("%d partitions were taken", taken)
		}
		f.end(f.b, who, true, true)
		f.wantStable(f.part(0), 2, 2)
	})
}

// pendings has offsets of the same number of topics for each group.
type pendings struct{ topics int }

func (p pendings) SettlePending(_ context.Context, group, _ string, commit bool) (guards []coordination.Guard, changes []coordination.Change, err error) {
	guards = []coordination.Guard{coordination.ModIs("pending/"+group, 0), coordination.CreateIs("group/"+group, 0)}
	changes = []coordination.Change{coordination.DeleteKey("pending/" + group)}
	for i := range p.topics {
		if key := fmt.Sprint("offsets/", group, "/", i); commit {
			guards, changes = append(guards, coordination.ModIs(key, 0)), append(changes, coordination.PutKey(key, []byte("1")))
		}
	}
	return guards, changes, nil
}

func TestLimits_OffsetsThatDoNotFitAreNotCommittedAndCanBeAborted(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.b.Txns.Offsets = pendings{topics: 10}
		who := f.init(f.b)
		f.b.MustProduce(batch(who, f.part(0), 0, "a"))
		f.addGroups(who)
		before := f.stored()
		if _, err := f.b.Txns.End(t.Context(), "x", who, true, true); !errors.Is(err, txn.ErrTooLarge) {
			t.Errorf("commit: %v, want ErrTooLarge", err)
		}
		if f.stored() != before {
			t.Error("something was written")
		}
		f.wantStable(f.part(0), 1, 0)
		f.end(f.b, who, false, true)
		f.wantStable(f.part(0), 2, 2)
	})
}
