package instance

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination/memory"
)

func TestDrain_NobodyNamesItWhileAnotherOneServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New(memory.Settings{})
		a, b := start(t, kv, 1, AnyNode).ready(t), start(t, kv, 2, AnyNode).ready(t)
		if !a.Others() || !b.Others() {
			t.Fatal("two live, and one says that there is no other")
		}
		if err := b.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.nodes(); !slices.Equal(got, []int32{0}) {
			t.Errorf("the one that drains names %v at once", got)
		}
		synctest.Wait()
		if got := a.nodes(); !slices.Equal(got, []int32{0}) {
			t.Errorf("the other one names %v", got)
		}
		if a.Others() || !b.Others() {
			t.Error("one drains: who can clients go to?")
		}
		if !a.KnowsKey(b.Settings.Self.Key) && len(b.Settings.Self.Key) > 0 {
			t.Error("what drains is not trusted any more")
		}
		b.cut.Store(true) // it loses its lease and claims anew
		b.kv.BreakWatches()
		time.Sleep(30 * time.Second)
		b.cut.Store(false)
		time.Sleep(5 * time.Second)
		if got := a.nodes(); !slices.Equal(got, []int32{0}) || b.Self() != 1 {
			t.Errorf("after it lost its lease, node %d, the other one names %v", b.Self(), got)
		}
		if err := a.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := a.nodes(); !slices.Equal(got, []int32{0, 1}) {
			t.Errorf("both drain: %v is named, want both rather than nobody", got)
		}
		b.stop()
		<-b.err
		synctest.Wait()
		if got := a.nodes(); !slices.Equal(got, []int32{0}) {
			t.Errorf("one left: %v is named", got)
		}
	})
}

func TestHide_ItsAddressIsLeftOutUntilItHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := memory.New(memory.Settings{})
		a, b := start(t, kv, 1, AnyNode).ready(t), start(t, kv, 2, AnyNode).ready(t)
		shown := func(r *Registry) (nodes []int32) {
			for _, in := range Shown(r.Everyone()) {
				nodes = append(nodes, in.Node)
			}
			return nodes
		}
		if err := b.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := shown(a.Registry); !slices.Equal(got, []int32{0, 1}) {
			t.Errorf("one drains: %v are shown, want both: clients still ask it", got)
		}
		if err := b.Hide(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, r := range []*Registry{a.Registry, b.Registry} {
			if got := shown(r); !slices.Equal(got, []int32{0}) {
				t.Errorf("one is hidden: node %d shows %v", r.Self(), got)
			}
			if len(r.Everyone()) != 2 {
				t.Error("one is hidden: it is not known any more")
			}
		}
		if err := a.Hide(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := shown(a.Registry); !slices.Equal(got, []int32{0, 1}) {
			t.Errorf("both are hidden: %v are shown, want both rather than nobody", got)
		}
	})
}
