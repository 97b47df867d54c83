package restore_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

var nobody = txn.Identity{Producer: -1, Epoch: -1}

func begin(t *testing.T, in *coretest.Instance, id string) txn.Identity {
	t.Helper()
	who, err := in.Txns.Init(t.Context(), id, 60_000, nobody)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func send(in *coretest.Instance, id string, who txn.Identity, tp record.TopicPartition, first int32, value string) {
	in.T.Helper()
	in.MustProduce(coretest.Transactional(id, tp, who.Producer, who.Epoch, first, value))
}

func end(t *testing.T, in *coretest.Instance, id string, who txn.Identity) txn.Identity {
	t.Helper()
	next, err := in.Txns.End(t.Context(), id, who, true, true)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestRestore_TransactionsThatEndedBeforeAreKeptWholeAndThoseOpenAreAborted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		w.journal()
		done, open := begin(t, in, "done"), begin(t, in, "open")
		send(in, "done", done, tp, 0, "committed")
		send(in, "open", open, tp, 0, "open")
		done = end(t, in, "done", done)
		pendingOffset(t, in, open, tp)
		w.journal()
		end(t, in, "open", open) // acknowledged, and lost
		in.Stop()
		w.lose()
		report := w.restore()
		if !slices.Equal(report.Aborted, []string{"open"}) || report.Transactional != 0 || len(report.Fenced) != 0 {
			t.Errorf("report: %+v", report)
		}
		if n := len(w.Items(w.Keys.GroupPendings("g"))); n != 0 {
			t.Errorf("%d pending offsets", n)
		}
		b := w.instance("b")
		if got := values(b, tp, true); !maps.Equal(got, map[record.Offset]string{0: "committed"}) {
			t.Errorf("read_committed reads %v", got)
		}
		if bounds, err := b.Fetch.Bounds(t.Context(), tp); err != nil || bounds.LastStable != bounds.HighWatermark {
			t.Errorf("%+v, %v: something is open still", bounds, err)
		}
		send(b, "done", done, tp, 0, "goes on") // it noticed nothing
		end(t, b, "done", done)
		if out := b.Produce(coretest.Transactional("open", tp, open.Producer, open.Epoch, 1, "late")); out[0].Err == nil {
			t.Error("the aborted transaction goes on")
		}
		again := begin(t, b, "open")
		send(b, "open", again, tp, 0, "anew")
		end(t, b, "open", again)
		if got := values(b, tp, true); len(got) != 3 {
			t.Errorf("read_committed reads %v", got)
		}
	})
}

func pendingOffset(t *testing.T, in *coretest.Instance, who txn.Identity, tp record.TopicPartition) {
	t.Helper()
	err := in.Groups.CommitPending(t.Context(), "g", group.PendingRequest{
		CommitCheck: group.CommitCheck{Generation: -1}, Transaction: "open",
		Topics: []group.CommitTopic{{Name: "t", ID: tp.Topic, Partitions: map[int32]group.Committed{0: {Offset: 1, LeaderEpoch: -1}}}},
		Join: func(ctx context.Context) ([]coordination.Guard, []coordination.Change, error) {
			return in.Txns.JoinGroup(ctx, "open", who, "g", true)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A transaction of which a part came after the last journal object is not torn: all of it is aborted.
func TestRestore_ATransactionIsNeverTorn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		w.journal()
		other := record.TopicPartition{Topic: tp.Topic, Partition: 1}
		across, after := begin(t, in, "across"), begin(t, in, "after")
		send(in, "across", across, tp, 0, "before")
		w.journal()
		send(in, "across", across, other, 0, "behind")
		end(t, in, "across", across)
		send(in, "after", after, tp, 0, "whole")
		in.MustProduce(coretest.Plain(tp, "plain"))
		after = end(t, in, "after", after)
		in.Stop()
		w.lose()
		report := w.restore()
		if report.Transactional != 2 || report.RecordsPutBack() != 1 || !slices.Equal(report.Aborted, []string{"across"}) || !slices.Equal(report.Fenced, []string{"after"}) {
			t.Errorf("report: %+v", report)
		}
		b := w.instance("b")
		if got := values(b, tp, true); !maps.Equal(got, map[record.Offset]string{1: "plain"}) || len(values(b, other, true)) != 0 {
			t.Errorf("read_committed reads %v and %v", got, values(b, other, true))
		}
		// Who had ended its transaction has an epoch of which nothing was found, and goes on. Who asks again for the end that
		// was lost is fenced.
		if _, err := b.Txns.End(t.Context(), "after", txn.Identity{Producer: after.Producer, Epoch: after.Epoch - 1}, true, true); !errors.Is(err, txn.ErrFenced) {
			t.Errorf("end: %v, want ErrFenced", err)
		}
		send(b, "after", after, tp, 0, "goes on")
		end(t, b, "after", after)
		if got := values(b, tp, true); len(got) != 2 {
			t.Errorf("read_committed reads %v", got)
		}
	})
}

func TestRestore_HandsOutNoProducerIdTwice(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		w.journal()
		in.MustProduce(coretest.Idempotent(tp, 77_000, 0, 0, "x"))
		before := begin(t, in, "one")
		in.Stop()
		w.lose()
		w.restore()
		after := begin(t, w.instance("b"), "two")
		if after.Producer <= 77_000 || after.Producer <= before.Producer {
			t.Errorf("producer %d after %d and 77000", after.Producer, before.Producer)
		}
	})
}

// Revisions begin anew: a producer is not forgotten early for what it had in the old etcd, nor kept for ever.
func TestRestore_ProducersAreForgottenADayAfterIt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		for range 200 { // revisions far above those of the new etcd
			w.Put(w.Keys.Lease("other"), []byte("x"))
		}
		in.MustProduce(coretest.Idempotent(tp, 7, 0, 0, "x"))
		w.backup()
		in.Stop()
		w.lose()
		w.restore()
		b := w.instance("b")
		known := func() (n int) {
			b.View(func(l *ledger.Ledger) { l.Partition(tp).EachProducer(func(ledger.HeadProducer) { n++ }) })
			return n
		}
		for range 30 {
			w.pass(b)
			w.maintain(b, b.Upkeep.Expire)
			time.Sleep(time.Hour)
			if since := time.Since(w.Start); since < 20*time.Hour && known() != 1 {
				t.Fatalf("forgotten after %v", since)
			}
		}
		if known() != 0 {
			t.Error("kept for ever")
		}
	})
}
