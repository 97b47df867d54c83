package restore_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/restore"
)

func bubble(t *testing.T, fn func(t *testing.T, w *world, tp record.TopicPartition)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.instance("first")
		tp := record.TopicPartition{Topic: w.CreateTopic("t", 4)}
		a.Barrier()
		a.Stop()
		fn(t, w, tp)
	})
}

func commitOffset(t *testing.T, in *coretest.Instance, tp record.TopicPartition, offset record.Offset) {
	t.Helper()
	err := in.Groups.CommitOffsets(t.Context(), "g", group.CommitRequest{
		CommitCheck: group.CommitCheck{Generation: -1},
		Topics:      []group.CommitTopic{{Name: "t", ID: tp.Topic, Partitions: map[int32]group.Committed{tp.Partition: {Offset: offset, LeaderEpoch: -1}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRestore_WhatWasJournaledStaysAndWhatCameAfterIsPutBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		w.journal() // nothing to go on from: a backup
		in.MustProduce(coretest.Plain(tp, "0", "1"), coretest.Idempotent(tp, 7, 0, 0, "2"))
		commitOffset(t, in, tp, 2)
		w.maintain(in, in.Upkeep.Checkpoint, in.Upkeep.Trim)
		w.journal()
		others := w.others()
		in.MustProduce(coretest.Idempotent(tp, 7, 0, 1, "3"), coretest.Plain(tp, "4"))
		commitOffset(t, in, tp, 4)
		era := in.Stream.ClusterID()
		in.Stop()
		w.lose()
		report := w.restore()
		if n := report.RecordsPutBack(); n != 2 || report.JournalObjects != 1 || report.Lossy() {
			t.Errorf("report: %+v", report)
		}
		w.wantOthers(others)
		b := w.instance("b")
		if got := b.ReadAll(tp); strings.Join(got, "") != "01234" {
			t.Errorf("read %q", got)
		}
		if b.Stream.ClusterID() == era {
			t.Error("the era is the old one")
		}
		// The producer goes on: a retry is a duplicate, the next batch is accepted.
		if got := b.MustProduce(coretest.Idempotent(tp, 7, 0, 1, "3"), coretest.Idempotent(tp, 7, 0, 2, "5")); !slices.Equal(got, []record.Offset{3, 5}) {
			t.Errorf("bases %v", got)
		}
	})
}

func TestRestore_FloorAndStampAreAboveEveryIdAndHeadsAreAsOfZero(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		in.Skew(5 * time.Minute) // its ids are ahead of all clocks
		in.MustProduce(coretest.Plain(tp, "x"), coretest.Idempotent(tp, 7, 0, 0, "y"))
		w.backup()
		in.Stop()
		w.lose()
		w.restore()
		highest := coordination.Mark(0)
		for _, id := range w.segments() {
			highest = max(highest, coordination.MarkOf(id))
		}
		if floor, stamp := w.Mark(w.Keys.Floor()), w.Mark(w.Keys.Stamp()); floor < highest || stamp <= floor {
			t.Errorf("floor %d, stamp %d, highest id in the bucket %d", floor, stamp, highest)
		}
		for _, it := range w.Items(w.Keys.Heads()) {
			h, err := ledger.DecodeHead(it.Value)
			if err != nil || h.AsOf != 0 || len(h.Producers) != 1 || h.Producers[0].Revision != 0 {
				t.Errorf("head: %+v, %v", h, err)
			}
		}
	})
}

func TestRestore_OrdersWhatItPutsBackByWhatProducersSay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		w.journal()
		in.Skew(3 * time.Minute)
		in.MustProduce(coretest.Idempotent(tp, 7, 0, 0, "0"))
		in.Skew(0) // the next segment's id is before that of the first
		time.Sleep(time.Second)
		in.MustProduce(coretest.Idempotent(tp, 7, 0, 1, "1"))
		in.Stop()
		w.lose()
		if report := w.restore(); report.RecordsPutBack() != 2 || report.Refused != 0 {
			t.Errorf("report: %+v", report)
		}
		if got := w.instance("b").ReadAll(tp); strings.Join(got, "") != "01" {
			t.Errorf("read %q", got)
		}
	})
}

func TestRestore_DeletedRecordsStayDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		w.journal()
		in.MustProduce(coretest.Plain(tp, "0", "1", "2"))
		w.journal()
		if _, err := in.Upkeep.DeleteRecords(t.Context(), tp, 3); err != nil {
			t.Fatal(err)
		}
		w.maintain(in, in.Upkeep.Checkpoint, in.Upkeep.Trim) // no head names the segment, no commit does
		w.journal()
		w.backup()
		in.Stop()
		w.lose()
		if report := w.restore(); report.RecordsPutBack() != 0 {
			t.Errorf("report: %+v", report)
		}
		if got := w.instance("b").ReadAll(tp); len(got) != 0 {
			t.Errorf("read %q", got)
		}
	})
}

func TestRestore_KeepsALogStartThatMovedAfterTheBackup(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		in.MustProduce(coretest.Plain(tp, "0", "1", "2"))
		w.journal()
		if _, err := in.Upkeep.DeleteRecords(t.Context(), tp, 2); err != nil {
			t.Fatal(err)
		}
		w.journal()
		in.Stop()
		w.lose()
		w.restore()
		if got := values(w.instance("b"), tp, false); !maps.Equal(got, map[record.Offset]string{2: "2"}) {
			t.Errorf("read %v", got)
		}
	})
}

func TestRestore_TopicsMadeAndDeletedAfterTheBackupAreAsJournaled(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		w.journal()
		made := record.TopicPartition{Topic: w.CreateTopic("made", 2), Partition: 1}
		in.Barrier()
		in.MustProduce(coretest.Plain(made, "x"), coretest.Plain(tp, "y"))
		w.DeleteTopic("t", tp.Topic)
		w.journal()
		in.Stop()
		w.lose()
		report := w.restore()
		b := w.instance("b")
		if _, there := b.Stream.TopicByName("t"); there || report.Topics != 1 || report.Lossy() {
			t.Errorf("deleted topic there: %t; %+v", there, report)
		}
		if got := b.ReadAll(made); !slices.Equal(got, []string{"x"}) {
			t.Errorf("read %q", got)
		}
	})
}

func TestRestore_OfATopicThatNobodyKnowsTheRecordsAreReported(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		w.journal()
		late := record.TopicPartition{Topic: w.CreateTopic("late", 1)}
		in.Barrier()
		in.MustProduce(coretest.Plain(late, "x", "y"))
		in.Stop()
		w.lose()
		if report := w.restore(); len(report.Unknown) != 1 || report.Unknown[0].Records != 2 || !report.Lossy() {
			t.Errorf("report: %+v", report)
		}
	})
}

func TestRestore_RefusesAnEtcdThatIsNotEmptyUnlessToldOtherwise(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		in.MustProduce(coretest.Plain(tp, "x"))
		w.backup()
		r, err := restore.Prepare(t.Context(), w.settings())
		if err != nil {
			t.Fatal(err)
		}
		before := len(w.Items(w.Keys.Root()))
		if err := r.Apply(t.Context()); !errors.Is(err, restore.ErrNotEmpty) || len(w.Items(w.Keys.Root())) != before {
			t.Errorf("%v, want ErrNotEmpty and nothing changed", err)
		}
		r.Overwrite = true
		if err := r.Apply(t.Context()); err != nil {
			t.Error(err)
		}
		if got := w.instance("b").ReadAll(tp); !slices.Equal(got, []string{"x"}) {
			t.Errorf("read %q", got)
		}
	})
}

// Whatever an instance of the old era was about to write is refused; it reads the new one and goes on.
func TestRestore_ACommitThatAnInstanceOfTheOldEraHadOnItsWayIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		in.MustProduce(coretest.Plain(tp, "x"))
		w.journal()
		w.FaultKV(func(_ string, op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit && strings.HasPrefix(key, w.Keys.Commits()) {
				return coordination.Decision{Delay: time.Minute}
			}
			return coordination.Decision{}
		})
		p := in.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(tp, "late")})
		time.Sleep(time.Second) // its segment is stored, its commit on its way
		s := w.settings()
		s.Overwrite = true
		r, err := restore.Prepare(t.Context(), s)
		if err == nil {
			err = r.Apply(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		w.FaultKV(nil)
		if out := p.Wait(t.Context())[0]; out.Err == nil {
			t.Errorf("acknowledged at %d in an era that knows nothing of it", out.Base)
		}
		in.Barrier()
		if got := in.ReadAll(tp); strings.Join(got, "") != "xlate" { // it was found in the bucket and put back
			t.Errorf("read %q", got)
		}
		in.MustProduce(coretest.Plain(tp, "y"))
	})
}

func TestRestore_StoppedInTheMiddleIsRunAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, tp record.TopicPartition) {
		in := w.instance("a")
		for range 300 {
			w.CreateTopic("x"+time.Now().Format(".000000")+string(rune('a'+len(w.Items(w.Keys.Topics()))%26)), 1)
			time.Sleep(time.Microsecond)
		}
		in.MustProduce(coretest.Plain(tp, "x"))
		w.backup()
		in.Stop()
		w.lose()
		r, err := restore.Prepare(t.Context(), w.settings())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r.Progress = func(stage string, done, _ int) {
			if stage == "keys written" && done >= 200 {
				cancel()
			}
		}
		if err := r.Apply(ctx); err == nil {
			t.Fatal("it was not stopped")
		}
		if len(w.Items(w.Keys.Topics())) == 0 || len(w.Items(w.Keys.Format())) != 0 {
			t.Fatal("not in the middle")
		}
		w.restore()
		if got := w.instance("b").ReadAll(tp); !slices.Equal(got, []string{"x"}) || len(w.Items(w.Keys.Restore())) != 0 {
			t.Errorf("read %q", got)
		}
	})
}
