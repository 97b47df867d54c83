package ledger

import (
	"testing"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

const wrap = 1<<31 - 1 // the last sequence

func TestFold_IdempotentProducers(t *testing.T) {
	type step struct {
		entry Entry
		want  Outcome
	}
	fiveInFlight := []step{
		{batch(7, 0, 0, 1), Outcome{Accepted, 0}}, {batch(7, 0, 1, 2), Outcome{Accepted, 1}}, {batch(7, 0, 3, 3), Outcome{Accepted, 3}},
		{batch(7, 0, 6, 4), Outcome{Accepted, 6}}, {batch(7, 0, 10, 5), Outcome{Accepted, 10}},
	}
	after := func(more ...step) []step { return append(append([]step(nil), fiveInFlight...), more...) }
	for name, steps := range map[string][]step{
		"five in flight are each answered with their own first offset": after(
			step{batch(7, 0, 0, 1), Outcome{Duplicate, 0}}, step{batch(7, 0, 1, 2), Outcome{Duplicate, 1}}, step{batch(7, 0, 3, 3), Outcome{Duplicate, 3}},
			step{batch(7, 0, 6, 4), Outcome{Duplicate, 6}}, step{batch(7, 0, 10, 5), Outcome{Duplicate, 10}}),
		"a sixth pushes the first out of the window": after(
			step{batch(7, 0, 15, 1), Outcome{Accepted, 15}}, step{batch(7, 0, 0, 1), Outcome{Old, -1}}, step{batch(7, 0, 1, 2), Outcome{Duplicate, 1}}),
		"a gap is out of order and takes no offset": after(
			step{batch(7, 0, 16, 1), Outcome{OutOfOrder, -1}}, step{batch(7, 0, 15, 1), Outcome{Accepted, 15}}),
		"the same start with another length is no duplicate":                 after(step{batch(7, 0, 10, 4), Outcome{Old, -1}}),
		"one that begins in what was appended and goes on beyond is refused": after(step{batch(7, 0, 13, 4), Outcome{OutOfOrder, -1}}),
		"an older epoch is fenced":                                           {{batch(7, 3, 0, 1), Outcome{Accepted, 0}}, {batch(7, 2, 0, 1), Outcome{Fenced, -1}}, {batch(7, 2, 1, 1), Outcome{Fenced, -1}}},
		"a newer epoch begins at 0 and forgets the window": {
			{batch(7, 0, 0, 1), Outcome{Accepted, 0}}, {batch(7, 1, 1, 1), Outcome{OutOfOrder, -1}}, {batch(7, 1, 0, 1), Outcome{Accepted, 1}},
			{batch(7, 1, 0, 1), Outcome{Duplicate, 1}}, {batch(7, 0, 1, 1), Outcome{Fenced, -1}}},
		"a producer that is not known begins at 0":   {{batch(7, 0, 1, 1), Outcome{UnknownProducer, -1}}, {batch(7, 0, 0, 1), Outcome{Accepted, 0}}, {batch(7, 0, 1, 1), Outcome{Accepted, 1}}},
		"producers do not meet":                      {{batch(7, 0, 0, 1), Outcome{Accepted, 0}}, {batch(8, 0, 0, 1), Outcome{Accepted, 1}}, {batch(7, 0, 1, 1), Outcome{Accepted, 2}}},
		"a plain batch is always taken":              {{plain(3), Outcome{Accepted, 0}}, {plain(3), Outcome{Accepted, 3}}},
		"a long batch of a million records advances": {{batch(7, 0, 0, 1_000_000), Outcome{Accepted, 0}}, {batch(7, 0, 1_000_000, 1), Outcome{Accepted, 1_000_000}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.createTopic("a", topicA, 1)
			for i, s := range steps {
				if got := w.append(part(topicA, 0), s.entry)[0]; got != s.want {
					t.Fatalf("step %d, %+v: %+v, want %+v", i, s.entry, got, s.want)
				}
			}
		})
	}
}

func TestFold_SequencesWrapAtTheEndOf31Bits(t *testing.T) {
	p := &Partition{}
	// A producer can be brought to the end only in large steps.
	for first := int64(0); first < 1<<31; first += 1 << 29 {
		p.accept(&Entry{Records: 1 << 29, Bytes: 1, Producer: 7, Sequence: int32(first)}, 1)
	}
	// The last record of that had sequence 2^31-1.
	for i, step := range []struct {
		entry Entry
		want  Kind
	}{
		{batch(7, 0, 1, 1), OutOfOrder},
		{batch(7, 0, wrap, 1), Old},
		{batch(7, 0, 0, 1), Accepted},
	} {
		if got := p.Classify(&step.entry).Kind; got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	e := batch(8, 0, 0, 1)
	p.accept(&e, 1)
	p.byID[8].last = wrap - 1
	across := batch(8, 0, wrap, 3) // 2^31-1, 0, 1
	if got := p.Classify(&across); got.Kind != Accepted {
		t.Fatalf("batch across the wrap: %+v", got)
	}
	base := p.accept(&across, 2)
	if got := p.Classify(&across); got != (Outcome{Duplicate, base}) {
		t.Errorf("the same again: %+v, want a duplicate of %d", got, base)
	}
	next := batch(8, 0, 2, 1)
	if got := p.Classify(&next); got.Kind != Accepted {
		t.Errorf("the one after it: %+v", got)
	}
}

func TestFold_OneBadBatchOfARunHarmsOnlyItself(t *testing.T) {
	w := newWorld(t)
	w.createTopic("a", topicA, 1)
	tp := part(topicA, 0)
	w.append(tp, batch(7, 0, 0, 1))
	got := w.append(tp, plain(2), batch(7, 0, 5, 1), batch(8, 0, 0, 1), batch(7, 0, 0, 1), plain(1))
	want := []Outcome{{Accepted, 1}, {OutOfOrder, -1}, {Accepted, 3}, {Duplicate, 0}, {Accepted, 4}}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("entry %d: %+v, want %+v", i, got[i], want[i])
		}
	}
	// Holes: the refused batch and the duplicate took bytes and no offset.
	p := w.live.Partition(tp)
	for _, want := range []Span{
		{Position: 8, Length: 200, Base: 1, End: 3},
		{Position: 8 + 300, Length: 100, Base: 3, End: 4},
		{Position: 8 + 500, Length: 100, Base: 4, End: 5},
	} {
		s, ok := p.SpanAt(want.Base)
		if !ok || s.Position != want.Position || s.Length != want.Length || s.Base != want.Base || s.End != want.End {
			t.Errorf("span at %d: %+v, %t; want %+v", want.Base, s, ok, want)
		}
	}
}

func TestFold_AnExpiryForgetsOnlyWhatWasSilentSince(t *testing.T) {
	w := newWorld(t)
	w.createTopic("a", topicA, 1)
	tp := part(topicA, 0)
	w.append(tp, batch(7, 0, 0, 1), batch(8, 0, 0, 1))
	silent := w.rev
	w.append(tp, batch(8, 0, 1, 1))
	w.commit(&Commit{Expiries: []Expiry{{tp, 7, silent}, {tp, 8, silent}, {tp, 9, silent}, {part(topicB, 0), 7, silent}}})
	if got := w.append(tp, batch(7, 0, 1, 1))[0].Kind; got != UnknownProducer {
		t.Errorf("the silent one: %v, want forgotten", got)
	}
	if got := w.append(tp, batch(8, 0, 2, 1))[0].Kind; got != Accepted {
		t.Errorf("the one that was heard of since: %v, want remembered", got)
	}
}

func TestFold_ForgetsTheProducerLeastRecentlyHeardOfBeyondTheCap(t *testing.T) {
	p := &Partition{}
	add := func(id record.ProducerID, first int32, rev int) {
		e := batch(id, 0, first, 1)
		if out := p.Classify(&e); out.Kind != Accepted {
			t.Fatalf("producer %d: %v", id, out.Kind)
		}
		p.accept(&e, coordination.Revision(rev))
	}
	for i := range producersMax {
		add(record.ProducerID(i), 0, i)
	}
	add(0, 1, producersMax)      // the oldest speaks again
	add(99_999, 0, producersMax) // one too many
	if len(p.byID) != producersMax || p.byID[1] != nil || p.byID[0] == nil || p.byID[99_999] == nil {
		t.Errorf("%d producers, 0: %t, 1: %t, new: %t; want 1 forgotten", len(p.byID), p.byID[0] != nil, p.byID[1] != nil, p.byID[99_999] != nil)
	}
	if h := p.Head(1); len(h.Encode()) > coordination.CommitBytesMax*3/4 {
		t.Errorf("a head of %d producers takes %d bytes", producersMax, len(h.Encode()))
	}
}

func TestClassify_ChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.createTopic("a", topicA, 1)
	tp := part(topicA, 0)
	w.append(tp, batch(7, 0, 0, 1))
	before := w.live.Partition(tp).Digest()
	for _, e := range []Entry{batch(7, 0, 1, 1), batch(7, 1, 0, 1), batch(9, 0, 0, 1), plain(1)} {
		w.live.Partition(tp).Classify(&e)
		w.live.Known(tp, &e)
	}
	if w.live.Partition(tp).Digest() != before {
		t.Error("asking changed the state")
	}
}
