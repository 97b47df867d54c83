package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// sameState compares two ledgers partition by partition.
func sameState(a, b *Ledger, tps []record.TopicPartition) error {
	for _, tp := range tps {
		p, q := a.Partition(tp), b.Partition(tp)
		if p.LastStable() != q.LastStable() || len(p.AbortedIn(0, p.next)) != len(q.AbortedIn(0, q.next)) {
			return fmt.Errorf("%v/%d: last stable %d and %d, aborted %v and %v", tp.Topic, tp.Partition, p.LastStable(), q.LastStable(), p.aborted, q.aborted)
		}
		if p.Digest() != q.Digest() {
			return fmt.Errorf("%v/%d: next %d and %d, log start %d and %d, spans %v %v and %v %v", tp.Topic, tp.Partition, p.next, q.next, p.logStart, q.logStart,
				p.stored, p.fresh, q.stored, q.fresh)
		}
		if a.Has(tp) != b.Has(tp) {
			return fmt.Errorf("%v/%d: has %t and %t", tp.Topic, tp.Partition, a.Has(tp), b.Has(tp))
		}
	}
	return nil
}

// drawCommit makes a commit of one or two segments over any partitions that were ever created.
func drawCommit(r *rapid.T, w *world, known []record.TopicPartition) *Commit {
	c := &Commit{}
	for s := range rapid.IntRange(1, 2).Draw(r, "segments") {
		c.Segments = append(c.Segments, SegmentRef{id(int(w.rev)*2 + s), 1000})
		parts := slices.Clone(known)
		slices.SortFunc(parts, record.TopicPartition.Compare)
		position := int64(8)
		for _, tp := range parts {
			if !rapid.Bool().Draw(r, "in") {
				continue
			}
			run := Run{Segment: s, Partition: tp, Position: position}
			for range rapid.IntRange(1, 3).Draw(r, "entries") {
				e := plain(rapid.Int64Range(1, 3).Draw(r, "records"))
				if rapid.IntRange(0, 3).Draw(r, "kind") > 0 {
					e.Producer = record.ProducerID(rapid.IntRange(1, 3).Draw(r, "producer"))
					e.Epoch = record.Epoch(rapid.IntRange(0, 1).Draw(r, "epoch"))
					e.Sequence = int32(rapid.IntRange(0, 6).Draw(r, "sequence"))
					e.Serial = rapid.Int64Range(0, 4).Draw(r, "serial")
				}
				e.MaxTimestamp = rapid.Int64Range(-1, 50).Draw(r, "time")
				run.Entries = append(run.Entries, e)
				position += e.Bytes
			}
			c.Runs = append(c.Runs, run)
		}
	}
	for range rapid.IntRange(0, 2).Draw(r, "markers") {
		if len(known) > 0 {
			c.Markers = append(c.Markers, drawMarker(r, known))
		}
	}
	if rapid.IntRange(0, 4).Draw(r, "expiries") == 0 && len(known) > 0 {
		tp := rapid.SampledFrom(known).Draw(r, "expired")
		w.live.Partition(tp).EachIdle(w.rev, func(id record.ProducerID, last coordination.Revision) {
			c.Expiries = append(c.Expiries, Expiry{tp, id, last})
		})
	}
	return c
}

func (w *world) deleteRecords(tp record.TopicPartition, before record.Offset) {
	h := &Head{}
	if it, ok := w.items[keys.Head(tp.Topic, tp.Partition)]; ok {
		h, _ = DecodeHead(it.Value)
	}
	h.Truncate(before)
	w.change(coordination.PutKey(keys.Head(tp.Topic, tp.Partition), h.Encode()))
}

// trim deletes or empties what is covered, as gone says.
func (w *world) trim(gone func() bool) {
	through := w.live.CoveredThrough()
	for _, key := range slices.Sorted(maps.Keys(w.items)) {
		it := w.items[key]
		switch {
		case keys.ParseLog(key).Family != coordination.FamilyCommit || it.Create > through:
		case gone():
			w.change(coordination.DeleteKey(key))
		case len(it.Value) > 0:
			w.change(coordination.PutKey(key, nil))
		}
	}
}

func (w *world) dropHeads(topic record.TopicID) {
	for key := range w.items {
		if k := keys.ParseLog(key); k.Family == coordination.FamilyHead && k.Topic == topic {
			delete(w.items, key)
		}
	}
}

func drawMarker(r *rapid.T, known []record.TopicPartition) Marker {
	m := Marker{
		Producer: record.ProducerID(rapid.IntRange(1, 3).Draw(r, "ended")), Epoch: record.Epoch(rapid.IntRange(0, 1).Draw(r, "epoch")), Serial: rapid.Int64Range(1, 4).Draw(r, "serial"),
		Commit: rapid.Bool().Draw(r, "commit"), Bump: rapid.Bool().Draw(r, "bump"), Timestamp: rapid.Int64Range(-1, 50).Draw(r, "time"), CoordinatorEpoch: 1,
		Partitions: []record.TopicPartition{},
	}
	for _, tp := range known {
		if rapid.Bool().Draw(r, "in") {
			m.Partitions = append(m.Partitions, tp)
		}
	}
	return m
}

// I3, I5: whatever writers, checkpoints at any as-of, DeleteRecords, trims and topics do, an
// instance that bootstraps at any point has the state of one that followed from the beginning.
func TestFold_BootstrapAtAnyPointGivesTheStateOfTheLiveFold(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		var known []record.TopicPartition
		topics := map[record.TopicID]string{}
		born := byte(0)
		// Ledgers as they stood some time ago: a checkpoint may be written late by a slow instance.
		past := map[record.TopicPartition]*Head{}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			switch rapid.IntRange(0, 11).Draw(r, "step") {
			case 0:
				born++
				topic := record.TopicID{born}
				w.createTopic(fmt.Sprint("t", born%3), topic, 2)
				for old, name := range topics { // the same name again replaces: its heads went before
					if name == fmt.Sprint("t", born%3) {
						delete(topics, old)
						w.dropHeads(old)
					}
				}
				topics[topic] = fmt.Sprint("t", born%3)
				known = append(known, part(topic, 0), part(topic, 1))
			case 1:
				if len(topics) == 0 {
					continue
				}
				ids := slices.SortedFunc(maps.Keys(topics), func(a, b record.TopicID) int { return int(a[0]) - int(b[0]) })
				topic := rapid.SampledFrom(ids).Draw(r, "deleted")
				w.deleteTopic(topics[topic], topic)
				delete(topics, topic)
			case 2, 3: // remember a state for a late checkpoint
				if len(known) > 0 {
					tp := rapid.SampledFrom(known).Draw(r, "remembered")
					past[tp] = w.live.Partition(tp).Head(w.live.Revision())
				}
			case 4, 5: // write it, if nobody wrote another head meanwhile and the topic lives
				for _, tp := range known {
					h := past[tp]
					if _, alive := topics[tp.Topic]; h == nil || !alive || h.AsOf < w.live.Partition(tp).asOf || rapid.Bool().Draw(r, "lost") {
						continue
					}
					h.Truncate(w.live.Partition(tp).logStart) // its guard would have failed and it would have been made anew
					w.change(coordination.PutKey(keys.Head(tp.Topic, tp.Partition), h.Encode()))
					delete(past, tp)
				}
			case 6: // DeleteRecords
				if len(known) == 0 {
					continue
				}
				tp := rapid.SampledFrom(known).Draw(r, "truncated")
				if _, alive := topics[tp.Topic]; !alive {
					continue
				}
				w.deleteRecords(tp, record.Offset(rapid.Int64Range(0, int64(w.live.Partition(tp).next)).Draw(r, "before")))
				delete(past, tp)
			case 7: // empty or delete what is covered
				w.trim(func() bool { return rapid.Bool().Draw(r, "delete") })
			default:
				w.commit(drawCommit(r, w, known))
			}
			if err := sameState(w.live, w.bootstrap(), known); err != nil {
				r.Fatalf("live and bootstrapped at revision %d: %v", w.rev, err)
			}
		}
	})
}

// An instance that bootstrapped early and one that bootstrapped late go on alike.
func TestFold_TwoThatBootstrappedAtDifferentTimesDecideAlike(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		w.createTopic("a", topicA, 2)
		known := []record.TopicPartition{part(topicA, 0), part(topicA, 1)}
		others := []*Ledger{}
		for range rapid.IntRange(1, 20).Draw(r, "steps") {
			if rapid.IntRange(0, 3).Draw(r, "join") == 0 {
				if tp := rapid.SampledFrom(known).Draw(r, "covered"); rapid.Bool().Draw(r, "checkpoint") {
					w.checkpoint(w.live, tp)
					others = nil // they have not seen this head; the live one has
				}
				others = append(others, w.bootstrap())
				continue
			}
			c := drawCommit(r, w, known)
			rev := w.commit(c)
			key := keys.Commit(id(int(rev - 1)))
			for i, l := range others {
				err := l.Apply(rev, []coordination.Event{{Key: key, Value: c.Encode(), Create: rev, Revision: rev}}, Observer{})
				if err != nil {
					r.Fatal(err)
				}
				if err := sameState(w.live, l, known); err != nil {
					r.Fatalf("ledger %d: %v", i, err)
				}
			}
		}
	})
}

func TestFold_OffsetsAreContiguousAndNeverMove(t *testing.T) {
	w := newWorld(t)
	w.createTopic("a", topicA, 1)
	tp := part(topicA, 0)
	next := record.Offset(0)
	for i := range int64(20) {
		entries := []Entry{plain(1 + i%3), batch(7, 0, int32(i), 1)}
		for k, out := range w.append(tp, entries...) {
			if out != (Outcome{Accepted, next}) {
				t.Fatalf("step %d, entry %d: %+v, want offset %d", i, k, out, next)
			}
			next += record.Offset(entries[k].Records)
		}
		if i == 10 {
			w.checkpoint(w.live, tp)
		}
	}
	for at := record.Offset(0); at < next; {
		s, ok := w.live.Partition(tp).SpanAt(at)
		if !ok || s.Base != at {
			t.Fatalf("span at %d: %+v, %t", at, s, ok)
		}
		at = s.End
	}
}

func TestFold_ATopicDeletedAndCreatedAgainBeginsEmpty(t *testing.T) {
	w := newWorld(t)
	w.createTopic("a", topicA, 1)
	w.append(part(topicA, 0), plain(5))
	w.checkpoint(w.live, part(topicA, 0))
	w.deleteTopic("a", topicA)
	if w.live.Has(part(topicA, 0)) {
		t.Error("the deleted topic is still there")
	}
	if got := w.append(part(topicA, 0), plain(1))[0].Kind; got != NoTopic {
		t.Errorf("a late batch for the deleted topic: %v, want NoTopic", got)
	}
	w.createTopic("a", topicB, 1)
	if got := w.append(part(topicB, 0), plain(1))[0]; got != (Outcome{Accepted, 0}) {
		t.Errorf("first batch of the new topic: %+v, want offset 0", got)
	}
	if err := sameState(w.live, w.bootstrap(), []record.TopicPartition{part(topicA, 0), part(topicB, 0)}); err != nil {
		t.Error(err)
	}
	if w.live.CoveredThrough() >= w.rev || w.live.CoveredThrough() < w.rev-2 {
		t.Errorf("covered through %d at %d: the deleted topic must count as covered, the new one not", w.live.CoveredThrough(), w.rev)
	}
}

func TestFold_AHeadEventReplacesReferencesAndNotFoldedState(t *testing.T) {
	w := newWorld(t)
	w.createTopic("a", topicA, 1)
	tp := part(topicA, 0)
	w.append(tp, batch(7, 0, 0, 1))
	old := w.bootstrap()
	w.append(tp, batch(7, 0, 1, 1))
	w.checkpoint(old, tp) // as of the first commit only
	p := w.live.Partition(tp)
	if p.next != 2 || p.byID[7].last != 1 || len(p.stored) != 1 || len(p.fresh) != 1 || p.asOf != old.rev {
		t.Errorf("next %d, last %d, %d stored and %d fresh spans, as of %d", p.next, p.byID[7].last, len(p.stored), len(p.fresh), p.asOf)
	}
	if p.dirty == 0 || w.live.CoveredThrough() >= w.rev-1 {
		t.Errorf("covered through %d though the second commit is not", w.live.CoveredThrough())
	}
	w.checkpoint(w.live, tp)
	if p.dirty != 0 || w.live.CoveredThrough() != w.rev {
		t.Errorf("covered through %d at %d after a full checkpoint", w.live.CoveredThrough(), w.rev)
	}
}

// Finding 3: a commit counts as covered only when the heads of all its partitions cover it.
func TestCoveredThrough_IsHeldBackByTheSlowestPartition(t *testing.T) {
	w := newWorld(t)
	w.createTopic("a", topicA, 2)
	w.commit(&Commit{Segments: []SegmentRef{{id(1), 1}}, Runs: []Run{
		{Partition: part(topicA, 0), Entries: []Entry{plain(1)}}, {Partition: part(topicA, 1), Entries: []Entry{batch(7, 0, 3, 1)}}}})
	at := w.rev
	w.checkpoint(w.live, part(topicA, 0))
	if got := w.live.CoveredThrough(); got >= at {
		t.Errorf("covered through %d, the commit at %d has a partition without a head (its only batch was refused)", got, at)
	}
	w.checkpoint(w.live, part(topicA, 1))
	if got := w.live.CoveredThrough(); got < at {
		t.Errorf("covered through %d, want %d", got, at)
	}
}

func TestApply_StopsAtWhatItDoesNotKnow(t *testing.T) {
	for name, change := range map[string]coordination.Change{
		"commit of version 2": coordination.PutKey(keys.Commit(id(1)), []byte{2}),
		"format of version 2": coordination.PutKey(keys.Format(), Format{Version: 2, Era: "era"}.Encode()),
		"unknown key":         coordination.PutKey(keys.Log()+"something/new", []byte("x")),
	} {
		w := newWorld(t)
		err := w.live.Apply(w.rev+1, []coordination.Event{{Key: change.Key, Value: change.Value, Create: w.rev + 1, Revision: w.rev + 1}}, Observer{})
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s, live: %v, want ErrFormat", name, err)
		}
		loader := NewLoader(keys)
		err = loader.Add([]coordination.Item{{Key: change.Key, Value: change.Value, Create: 1, Mod: 1}})
		if err == nil {
			loader.l.formatValue = []byte("x")
			_, err = loader.Done(5, Observer{})
		}
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s, bootstrap: %v, want ErrFormat", name, err)
		}
	}
	w := newWorld(t)
	w.createTopic("a", topicA, 1)
	head := coordination.Event{Key: keys.Head(topicA, 0), Value: []byte{9}, Create: w.rev + 1, Revision: w.rev + 1}
	if err := w.live.Apply(w.rev+1, []coordination.Event{head}, Observer{}); !errors.Is(err, ErrFormat) {
		t.Errorf("head of version 9: %v, want ErrFormat", err)
	}
	w = newWorld(t)
	other := Format{Version: FormatVersion, Era: "other"}.Encode()
	if err := w.live.Apply(w.rev+1, []coordination.Event{{Key: keys.Format(), Value: other, Create: 2, Revision: w.rev + 1}}, Observer{}); !errors.Is(err, ErrEra) {
		t.Errorf("another era: %v, want ErrEra", err)
	}
}
