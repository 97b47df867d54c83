package ledger

import (
	"slices"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// txnWorld is a world with one topic of two partitions.
func txnWorld(t *testing.T) (*world, record.TopicPartition) {
	w := newWorld(t)
	w.createTopic("a", topicA, 2)
	return w, part(topicA, 0)
}

func (w *world) want(tp record.TopicPartition, e Entry, want Outcome) {
	w.t.Helper()
	if got := w.append(tp, e)[0]; got != want {
		w.t.Errorf("%+v: %+v, want %+v", e, got, want)
	}
}

func (w *world) wantBounds(tp record.TopicPartition, next, stable record.Offset) {
	w.t.Helper()
	for who, l := range map[string]*Ledger{"live": w.live, "bootstrapped": w.bootstrap()} {
		if p := l.Partition(tp); p.Next() != next || p.LastStable() != stable {
			w.t.Errorf("%s: next %d, last stable %d; want %d and %d", who, p.Next(), p.LastStable(), next, stable)
		}
	}
}

func TestTransaction_HoldsTheLastStableOffsetUntilItsMarker(t *testing.T) {
	w, tp := txnWorld(t)
	w.want(tp, plain(2), Outcome{Accepted, 0})
	w.want(tp, inTxn(1, batch(7, 0, 0, 3)), Outcome{Accepted, 2})
	w.want(tp, inTxn(1, batch(8, 0, 0, 1)), Outcome{Accepted, 5})
	w.want(tp, plain(1), Outcome{Accepted, 6})
	w.wantBounds(tp, 7, 2)
	w.checkpoint(w.live, tp)
	w.mark(Marker{Producer: 7, Serial: 1, Commit: true, Timestamp: 9}, tp, part(topicA, 1))
	w.wantBounds(tp, 8, 5)
	w.wantBounds(part(topicA, 1), 0, 0) // nothing was open there: no offset
	w.mark(Marker{Producer: 8, Serial: 1}, tp)
	w.wantBounds(tp, 9, 9)
	p := w.live.Partition(tp)
	for offset, commit := range map[record.Offset]bool{7: true, 8: false} {
		s, ok := p.SpanAt(offset)
		if !ok || s.Inline == nil || s.Inline.Commit != commit || s.Base != offset || s.End != offset+1 || s.Length != int64(len(s.Inline.Batch())) {
			t.Errorf("marker at %d: %+v", offset, s)
		}
	}
	if got := p.AbortedIn(0, 9); !slices.Equal(got, []Aborted{{8, 5, 8}}) {
		t.Errorf("aborted: %v", got)
	}
}

func TestTransaction_WhatItsMarkerHasOvertakenIsFenced(t *testing.T) {
	for name, bump := range map[string]bool{"version 2": true, "version 1": false} {
		t.Run(name, func(t *testing.T) {
			w, tp := txnWorld(t)
			other := part(topicA, 1)
			w.want(tp, inTxn(4, batch(7, 3, 0, 1)), Outcome{Accepted, 0})
			w.mark(Marker{Producer: 7, Epoch: 3, Serial: 4, Bump: bump}, tp, other)
			w.checkpoint(w.live, other)
			w.live = w.bootstrap()
			w.want(other, inTxn(4, batch(7, 3, 0, 1)), Outcome{Fenced, -1}) // its first batch there, delayed
			w.want(tp, inTxn(4, batch(7, 3, 1, 1)), Outcome{Fenced, -1})
			if bump {
				w.want(tp, inTxn(5, batch(7, 3, 1, 1)), Outcome{Fenced, -1}) // the epoch alone is enough
				w.want(tp, inTxn(5, batch(7, 4, 1, 1)), Outcome{OutOfOrder, -1})
				w.want(tp, inTxn(5, batch(7, 4, 0, 1)), Outcome{Accepted, 2})
				return
			}
			w.want(tp, inTxn(4, batch(7, 3, 0, 1)), Outcome{Duplicate, 0})
			w.want(tp, inTxn(5, batch(7, 3, 1, 1)), Outcome{Accepted, 2}) // sequences go on
			w.want(other, inTxn(5, batch(7, 3, 0, 1)), Outcome{Accepted, 0})
		})
	}
}

func TestTransaction_AnOldMarkerLeavesANewerEpochAlone(t *testing.T) {
	w, tp := txnWorld(t)
	w.want(tp, inTxn(9, batch(7, 5, 0, 1)), Outcome{Accepted, 0})
	w.mark(Marker{Producer: 7, Epoch: 4, Serial: 8, Bump: true}, tp)
	w.wantBounds(tp, 1, 0)
	w.want(tp, inTxn(9, batch(7, 5, 1, 1)), Outcome{Accepted, 1})
}

func TestTransaction_NoOtherBatchOfItsProducerComesBetween(t *testing.T) {
	w, tp := txnWorld(t)
	w.want(tp, inTxn(1, batch(7, 0, 0, 1)), Outcome{Accepted, 0})
	w.want(tp, batch(7, 0, 1, 1), Outcome{TxnState, -1})
	w.want(tp, inTxn(2, batch(7, 0, 1, 1)), Outcome{TxnState, -1})
	w.want(tp, batch(7, 1, 0, 1), Outcome{TxnState, -1})
	w.want(tp, inTxn(1, batch(7, 0, 1, 1)), Outcome{Accepted, 1})
	w.mark(Marker{Producer: 7, Serial: 1}, tp)
	w.want(tp, batch(7, 0, 2, 1), Outcome{Accepted, 3})
}

func TestTransaction_AnOpenOneIsNeitherExpiredNorEvicted(t *testing.T) {
	w, tp := txnWorld(t)
	w.append(tp, inTxn(1, batch(7, 0, 0, 1)))
	w.commit(&Commit{Expiries: []Expiry{{tp, 7, w.rev}}})
	w.live.Partition(tp).EachIdle(w.rev, func(id record.ProducerID, _ coordination.Revision) { t.Errorf("%d is idle", id) })
	p := &Partition{}
	for i := range producersMax + 2 {
		e := batch(record.ProducerID(i), 0, 0, 1)
		if i == 0 {
			e = inTxn(1, e)
		}
		p.accept(&e, coordination.Revision(i))
	}
	if len(p.byID) != producersMax || p.byID[0] == nil || p.byID[1] != nil || p.byID[2] != nil {
		t.Errorf("%d producers; 0: %t, 1: %t, 2: %t", len(p.byID), p.byID[0] != nil, p.byID[1] != nil, p.byID[2] != nil)
	}
	w.want(tp, inTxn(1, batch(7, 0, 1, 1)), Outcome{Accepted, 1})
}

func TestAbortedIn_ByFirstOffsetAndOnlyWhatOverlaps(t *testing.T) {
	w, tp := txnWorld(t)
	for i := range record.ProducerID(3) {
		w.append(tp, inTxn(1, batch(i, 0, 0, 10))) // 0, 10, 20
	}
	for _, i := range []record.ProducerID{2, 0, 1} { // markers at 30, 31, 32
		w.mark(Marker{Producer: i, Serial: 1}, tp)
	}
	p := w.live.Partition(tp)
	for _, c := range []struct {
		from, to record.Offset
		want     []Aborted
	}{
		{0, 33, []Aborted{{0, 0, 31}, {1, 10, 32}, {2, 20, 30}}},
		{0, 10, []Aborted{{0, 0, 31}}},
		{31, 33, []Aborted{{0, 0, 31}, {1, 10, 32}}},
		{33, 40, nil},
	} {
		if got := p.AbortedIn(c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("from %d to %d: %v, want %v", c.from, c.to, got, c.want)
		}
	}
	h := p.Head(w.rev)
	h.Truncate(31)
	if want := []Aborted{{0, 0, 31}, {1, 10, 32}}; !slices.Equal(h.Aborted, want) {
		t.Errorf("after the log start moved to 31: %v", h.Aborted)
	}
}

// DeleteRecords writes a head that says no more than where the log begins: who bootstraps from it folds the commits of before again.
func TestTransaction_WhatEndedBelowTheLogStartIsForgottenByThoseWhoComeLater(t *testing.T) {
	w, tp := txnWorld(t)
	w.want(tp, plain(1), Outcome{Accepted, 0})
	w.want(tp, inTxn(1, batch(7, 0, 0, 1)), Outcome{Accepted, 1})
	w.mark(Marker{Producer: 7, Serial: 1}, tp)
	w.deleteRecords(tp, 3)
	for who, l := range map[string]*Ledger{"live": w.live, "bootstrapped": w.bootstrap()} {
		if got := l.Partition(tp).AbortedListed(); len(got) > 0 {
			t.Errorf("%s: %v", who, got)
		}
	}
}
