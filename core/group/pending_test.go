package group

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// A client before KIP-890 makes its group part of the transaction first, and sends the offsets later. The end may have looked
// for them in between: it must not succeed without them, or nobody ever settles them.
func TestPending_OffsetsThatComeWhileTheTransactionEndsDoNotOutliveIt(t *testing.T) {
	inHall(t, func(h *hall) {
		d := h.idle(0)
		guards, changes, err := d.SettlePending(h.Context(), "g", "x", false)
		if err != nil {
			t.Fatal(err)
		}
		err = d.CommitPending(h.Context(), "g", PendingRequest{
			CommitCheck: CommitCheck{Generation: -1}, Transaction: "x",
			Topics: []CommitTopic{{Name: "a", ID: h.AllTopics()[0].ID, Partitions: map[int32]Committed{0: {Offset: record.Offset(5)}}}},
			Join:   func(context.Context) ([]coordination.Guard, []coordination.Change, error) { return nil, nil, nil }, // it has joined before
		})
		if err != nil {
			t.Fatal(err)
		}
		end := append(changes, coordination.PutKey(h.keys.Transaction("x"), []byte("ended")))
		if res, err := h.store.Commit(h.Context(), guards, end); err != nil || res.Committed {
			t.Errorf("an end that has not seen the offsets: committed %v, %v", res.Committed, err)
		}
		if guards, changes, err = d.SettlePending(h.Context(), "g", "x", false); err != nil {
			t.Fatal(err)
		}
		if res, err := h.store.Commit(h.Context(), guards, changes); err != nil || !res.Committed {
			t.Fatalf("an end that has: committed %v, %v", res.Committed, err)
		}
		left, err := d.FetchOffsets(h.Context(), "g", FetchRequest{Epoch: -1, RequireStable: true})
		if err != nil || len(left) > 0 {
			t.Errorf("after the end: %v, %v", left, err)
		}
	})
}

// The request of a client before KIP-890 may have been given up when its transaction can be read at last: what is read may be the next one.
func TestPending_OffsetsThatCannotAskForLongAreNotTakenIntoTheNextTransaction(t *testing.T) {
	inHall(t, func(h *hall) {
		r := PendingRequest{
			CommitCheck: CommitCheck{Generation: -1}, Transaction: "x", JoinWithin: time.Second,
			Topics: []CommitTopic{{Name: "a", ID: h.AllTopics()[0].ID, Partitions: map[int32]Committed{0: {Offset: record.Offset(5)}}}},
			Join: func(context.Context) ([]coordination.Guard, []coordination.Change, error) {
				time.Sleep(1100 * time.Millisecond)
				return nil, nil, nil
			},
		}
		d := h.idle(0)
		if err := d.CommitPending(h.Context(), "g", r); !errors.Is(err, ErrUnavailable) {
			t.Errorf("after a second: %v, want %v", err, ErrUnavailable)
		}
		if it, err := h.store.Get(h.Context(), h.keys.GroupPending("g", "x")); err != nil || it.Items[0].Create != 0 {
			t.Errorf("pending offsets were written: %+v, %v", it, err)
		}
		r.JoinWithin = 0
		if err := d.CommitPending(h.Context(), "g", r); err != nil {
			t.Errorf("of a client of version 2: %v", err)
		}
	})
}

// Java's producer waits for a minute in all: who gets no answer while etcd gives none must be told, soon, to try again, also behind others.
func TestPending_WhileEtcdDoesNotAnswerEveryoneIsToldSoon(t *testing.T) {
	inHall(t, func(h *hall) {
		d := h.idle(0)
		r := PendingRequest{
			CommitCheck: CommitCheck{Generation: -1}, Transaction: "x",
			Topics: []CommitTopic{{Name: "a", ID: h.AllTopics()[0].ID, Partitions: map[int32]Committed{0: {Offset: record.Offset(5)}}}},
			Join: func(ctx context.Context) ([]coordination.Guard, []coordination.Change, error) {
				if _, err := h.fault.Get(ctx, h.keys.Transaction("x")); err != nil {
					return nil, nil, errors.Join(ErrUnavailable, err)
				}
				return nil, nil, nil
			},
		}
		if err := d.CommitPending(h.Context(), "g", r); err != nil {
			t.Fatal(err)
		}
		h.breaks(func(coordination.Op, string) coordination.Decision {
			return coordination.Decision{Delay: 20 * time.Second}
		})
		began := time.Now()
		told := make(chan error)
		for range 4 {
			go func() { told <- d.CommitPending(h.Context(), "g", r) }()
		}
		for range 4 {
			if err := <-told; !errors.Is(err, ErrUnavailable) {
				t.Errorf("told %v, want %v", err, ErrUnavailable)
			}
			if took := time.Since(began); took > 2*pendingTimeout {
				t.Errorf("told after %v, want %v at most", took, 2*pendingTimeout)
			}
		}
		h.breaks(nil)
		if err := d.CommitPending(h.Context(), "g", r); err != nil {
			t.Errorf("once etcd answers: %v", err)
		}
	})
}
