package restore_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/restore"
)

// looked is a KV that tells when what is there is listed for the first time.
type looked struct {
	coordination.KV
	then func()
}

func (l *looked) List(ctx context.Context, r coordination.Range) (coordination.Page, error) {
	if then := l.then; then != nil {
		l.then = nil
		then()
	}
	return l.KV.List(ctx, r)
}

// A restore was left unfinished. One that follows looks at what is there, and before it claims it another one, which somebody else has
// begun, comes to its end, and the cluster serves: that must not be deleted as if it were the leavings of the first.
func TestRestore_WhatAnotherOneHasFinishedMeanwhileIsNotTakenForLeavings(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		in.MustProduce(coretest.Plain(tp, "x"))
		w.backup()
		in.Stop()
		w.lose()
		w.Put(w.Keys.Restore(), []byte("unfinished"))
		w.Put(w.Keys.Topic("left"), []byte("{}"))
		s := w.settings()
		served := false
		s.KV = &looked{KV: w.Etcd, then: func() {
			w.restore()
			in = w.instance("b")
			in.MustProduce(coretest.Plain(tp, "y"))
			served = true
		}}
		r, err := restore.Prepare(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Apply(t.Context()); !errors.Is(err, restore.ErrTaken) || !served {
			t.Errorf("%v, want ErrTaken", err)
		}
		if got := w.instance("c").ReadAll(tp); !slices.Equal(got, []string{"x", "y"}) {
			t.Errorf("read %q: what was acknowledged between the two is gone", got)
		}
	})
}
