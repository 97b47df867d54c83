package txn_test

import (
	"errors"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/txn"
)

// Nobody can end a transaction whose transactional id is lost, but an administrator can abort it, in all its partitions.
func TestAbortProducer_EndsWhatNoTransactionalIDKnows(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.b)
		f.b.MustProduce(batch(who, f.part(0), 0, "a"), batch(who, f.part(7), 0, "b"))
		if _, err := f.a.KV.Commit(t.Context(), nil, []coordination.Change{coordination.DeleteKey(f.Keys.Transaction("x"))}); err != nil {
			t.Fatal(err)
		}
		older := txn.Identity{Producer: who.Producer, Epoch: who.Epoch - 1}
		if err := f.a.Txns.AbortProducer(t.Context(), older); !errors.Is(err, txn.ErrFenced) {
			t.Errorf("an older epoch: %v, want ErrFenced", err)
		}
		f.wantStable(f.part(0), 1, 0)
		for range 2 { // again it does nothing
			if err := f.a.Txns.AbortProducer(t.Context(), who); err != nil {
				t.Fatal(err)
			}
			f.wantStable(f.part(0), 2, 2)
			f.wantStable(f.part(7), 2, 2)
		}
		f.wantCommitted(f.part(0))
	})
}

// A batch that was on its way when its transaction was aborted so opens no other one.
func TestAbortProducer_FencesABatchThatWasOnItsWay(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		who := f.init(f.b)
		f.b.MustProduce(batch(who, f.part(0), 0, "a"))
		if _, err := f.a.KV.Commit(t.Context(), nil, []coordination.Change{coordination.DeleteKey(f.Keys.Transaction("x"))}); err != nil {
			t.Fatal(err)
		}
		if err := f.a.Txns.AbortProducer(t.Context(), who); err != nil {
			t.Fatal(err)
		}
		if out := f.b.Produce(batch(who, f.part(0), 1, "late")); out[0].Err == nil {
			t.Error("the batch was accepted")
		}
		f.wantStable(f.part(0), 2, 2)
	})
}
