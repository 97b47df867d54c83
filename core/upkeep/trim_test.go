package upkeep_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
)

func TestTrim_EmptiesWhatIsCoveredAndDeletesItOnlyBelowTheFloor(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "x"), coretest.Plain(f.part(1), "y"))
		do(t, f.a, f.a.Upkeep.Trim)
		if full, empty := f.commits(); full != 1 || empty != 0 {
			t.Errorf("before a checkpoint: %d full, %d empty; uncovered ones stay", full, empty)
		}
		do(t, f.a, f.a.Upkeep.Checkpoint, f.a.Upkeep.Trim)
		if full, empty := f.commits(); full != 0 || empty != 1 {
			t.Errorf("covered, above the floor: %d full, %d empty; want it emptied", full, empty)
		}
		pass(t, f.a)
		do(t, f.a, f.a.Upkeep.Trim)
		if full, empty := f.commits(); full+empty != 0 {
			t.Errorf("below the floor: %d full, %d empty; want none", full, empty)
		}
		b := f.Instance("b", eagerly).Ready()
		for _, in := range []*coretest.Instance{f.a, b} {
			if got := in.ReadAll(f.tp); !slices.Equal(got, []string{"x"}) {
				t.Errorf("%s reads %q", in.Name, got)
			}
		}
	})
}

// Finding 3: a commit below the floor stays while one of its partitions has no head that covers it.
func TestTrim_KeepsACommitUntilTheHeadsOfAllItsPartitionsCoverIt(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "x"), coretest.Plain(f.part(1), "y"))
		f.FaultKV(func(_ string, op coordination.Op, key string) coordination.Decision { return coordination.Decision{} })
		var h []byte
		f.a.View(func(l *ledger.Ledger) { h = l.Partition(f.tp).Head(l.Revision()).Encode() })
		f.Put(f.Keys.Head(f.tp.Topic, 0), h)
		pass(t, f.a)
		do(t, f.a, f.a.Upkeep.Trim)
		if full, _ := f.commits(); full != 1 {
			t.Errorf("%d commits, want it kept for the second partition", full)
		}
		if got := f.Instance("b", eagerly).Ready().ReadAll(f.part(1)); !slices.Equal(got, []string{"y"}) {
			t.Errorf("read %q", got)
		}
	})
}

func TestTrim_APausedOneWithAnOldFloorDeletesNothing(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		do(t, f.a, f.a.Upkeep.Checkpoint)
		pass(t, f.a)
		f.FaultKV(func(_ string, op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit && strings.HasPrefix(key, f.Keys.Commits()) {
				f.Put(f.Keys.Floor(), coordination.Mark(1).Bytes()) // as no floor ever does: the guard must see it
			}
			return coordination.Decision{}
		})
		do(t, f.a, f.a.Upkeep.Trim)
		if full, empty := f.commits(); full+empty != 1 {
			t.Error("deleted although the floor was not what was compared with")
		}
	})
}
