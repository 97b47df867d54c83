package reference_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/reference"
)

// raiseFloor lets the floor pass every id so far.
func (f *fixture) raiseFloor() {
	f.t.Helper()
	for range 2 {
		time.Sleep(time.Second)
		if err := f.a.Upkeep.RaiseStamp(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
	f.a.Upkeep.Observe()
	if err := f.a.Upkeep.RaiseFloor(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func TestSwap_RefersToNothingNewAtOrBelowTheFloor(t *testing.T) {
	bubble(t, func(f *fixture) {
		spans := f.head(f.tp).Spans
		old := f.settle(f.tp, spans[:1])
		f.raiseFloor()
		f.want(f.swap(old), reference.Late)
		c := f.settle(f.tp, spans[:2])
		f.between(f.raiseFloor) // between reading and writing: the transaction itself compares
		f.want(f.swap(c), reference.Late)
		f.FaultKV(nil)
		f.refers(spans[0].Segment, spans[1].Segment, spans[2].Segment)
		c = f.settle(f.tp, spans[:2])
		c.Objects = append(c.Objects, old.Insert[0].Segment)
		f.want(f.swap(c), reference.Late) // also what is referred to through a manifest
		c.Objects = nil
		f.want(f.swap(c), reference.Swapped)
	})
}

// What the head keeps alive anyway is not referred to anew.
func TestSwap_AnObjectThatTheHeadNamedBeforeMayBeBelowTheFloor(t *testing.T) {
	bubble(t, func(f *fixture) {
		spans := f.head(f.tp).Spans
		f.raiseFloor()
		into := spans[0]
		into.Length--
		f.want(f.swap(reference.Change{Partition: f.tp, Remove: spans[:1], Insert: []ledger.Span{into}}), reference.Swapped)
	})
}

func TestSwap_ALateSwapDoesNotResurrectTheHeadOfADeletedTopic(t *testing.T) {
	bubble(t, func(f *fixture) {
		c := f.settle(f.tp, f.head(f.tp).Spans)
		f.between(func() { f.DeleteTopic("t", f.tp.Topic) })
		f.want(f.swap(c), reference.Gone)
		f.CreateTopic("t", 1) // by the same name
		f.want(f.swap(c), reference.Gone)
		if items := f.Items(f.Keys.Heads()); len(items) != 0 {
			f.t.Errorf("%d heads are there", len(items))
		}
	})
}

// A head that is deleted while its topic lives shows the guard of the topic by itself.
func TestSwap_ATopicThatChangedMeanwhileIsReadAgain(t *testing.T) {
	bubble(t, func(f *fixture) {
		c := f.settle(f.tp, f.head(f.tp).Spans)
		topic, _ := f.a.Stream.TopicByID(f.tp.Topic)
		f.between(func() { f.Put(f.Keys.Topic("t"), topic.Encode()) })
		f.Transcript()
		f.want(f.swap(c), reference.Swapped)
		n := 0
		for _, line := range f.Transcript() {
			if strings.Contains(line, "kv commit") {
				n++
			}
		}
		if n != 2 {
			f.t.Errorf("%d transactions, want one that fails for the topic and one more", n)
		}
	})
}

func TestSwap_WritesNothingInAnotherEra(t *testing.T) {
	bubble(t, func(f *fixture) {
		c := f.settle(f.tp, f.head(f.tp).Spans)
		before := f.Items(f.Keys.Heads())
		f.between(func() { f.Put(f.Keys.Format(), ledger.Format{Version: 1, Era: "restored"}.Encode()) })
		if _, err := f.swapper.Swap(f.t.Context(), []reference.Change{c}); err == nil {
			f.t.Error("no error")
		}
		if after := f.Items(f.Keys.Heads()); !slices.EqualFunc(before, after, func(a, b coordination.Item) bool { return a.Mod == b.Mod }) {
			f.t.Error("a head was written")
		}
	})
}

func TestSwap_RefusesWhatWouldLoseOrDoubleOffsets(t *testing.T) {
	bubble(t, func(f *fixture) {
		spans := f.head(f.tp).Spans
		for name, spoil := range map[string]func(c *reference.Change){
			"fewer":    func(c *reference.Change) { c.Insert[0].End-- },
			"more":     func(c *reference.Change) { c.Insert[0].End++ },
			"nothing":  func(c *reference.Change) { c.Insert = nil },
			"twice":    func(c *reference.Change) { c.Insert = append(c.Insert, c.Insert[0]) },
			"manifest": func(c *reference.Change) { c.Insert, c.Manifest = nil, manifest(f.id(), 0, 1) },
		} {
			c := f.settle(f.tp, spans[:2])
			spoil(&c)
			if out, err := f.swapper.Swap(f.t.Context(), []reference.Change{c}); !errors.Is(err, reference.ErrCoverage) {
				f.t.Errorf("%s: %v, %v", name, out, err)
			}
		}
		f.refers(spans[0].Segment, spans[1].Segment, spans[2].Segment)
		c := f.settle(f.tp, spans[:2])
		if _, err := f.swapper.Swap(f.t.Context(), []reference.Change{c, c}); !errors.Is(err, reference.ErrTwice) {
			f.t.Errorf("twice: %v", err)
		}
	})
}

func manifest(id ulid.ULID, base, end record.Offset) *reference.Manifest {
	return &reference.Manifest{New: &ledger.Manifest{ID: id, Base: base, End: end, Objects: 1, Bytes: 1}}
}

func TestSwap_AManifestTakesThePlaceOfSpansAndOfTheOneBefore(t *testing.T) {
	bubble(t, func(f *fixture) {
		spans := f.head(f.tp).Spans
		first := reference.Change{Partition: f.tp, Remove: spans[:1], Manifest: manifest(f.id(), 0, 1)}
		f.want(f.swap(first), reference.Swapped)
		f.refers(spans[1].Segment, spans[2].Segment)
		f.want(f.swap(first), reference.Swapped) // the same again: it is in
		stale := reference.Change{Partition: f.tp, Remove: spans[1:2], Manifest: manifest(f.id(), 0, 2)}
		f.want(f.swap(stale), reference.Changed) // it names no old one
		stale.Manifest.Old = first.Manifest.New.ID
		f.want(f.swap(stale), reference.Swapped)
		if m := f.head(f.tp).Manifest; m == nil || *m != *stale.Manifest.New {
			f.t.Errorf("manifest %+v", m)
		}
	})
}

func TestSwap_AbortedTransactionsLeaveTheHeadWithTheManifest(t *testing.T) {
	bubble(t, func(f *fixture) {
		h := f.head(f.tp)
		h.Aborted = []ledger.Aborted{{Producer: 1, First: 0, Last: 1}, {Producer: 2, First: 1, Last: 2}}
		f.Put(f.Keys.Head(f.tp.Topic, 0), h.Encode())
		f.a.Barrier()
		f.want(f.swap(reference.Change{Partition: f.tp, Remove: h.Spans[:2], Manifest: manifest(f.id(), 0, 2)}), reference.Swapped)
		if got := f.head(f.tp).Aborted; !slices.Equal(got, h.Aborted[1:]) {
			f.t.Errorf("aborted %+v", got)
		}
	})
}

func TestSwap_ManyHeadsShareTransactionsAndOneThatCannotHarmsNoOther(t *testing.T) {
	bubble(t, func(f *fixture) {
		var changes []reference.Change
		for p := range int32(90) {
			tp := record.TopicPartition{Topic: f.tp.Topic, Partition: p}
			f.a.MustProduce(coretest.Plain(tp, "v"))
			f.checkpoint()
			changes = append(changes, f.settle(tp, f.head(tp).Spans))
		}
		changes[5].Remove[0].Position++
		f.Transcript()
		out := f.swap(changes...)
		for i, o := range out {
			if want := reference.Swapped; o != want && i != 5 || i == 5 && o != reference.Changed {
				f.t.Errorf("partition %d: %v", i, o)
			}
		}
		if got := strings.Count(strings.Join(f.Transcript(), "\n"), "kv commit"); got != 3 {
			f.t.Errorf("%d transactions for 90 heads, want 3", got)
		}
	})
}

func TestSwap_HeadsThatDoNotFitTogetherGoOneAfterTheOther(t *testing.T) {
	bubble(t, func(f *fixture) {
		var changes []reference.Change
		for p := range int32(3) {
			tp := record.TopicPartition{Topic: f.tp.Topic, Partition: p}
			f.a.MustProduce(coretest.Plain(tp, "v"))
			f.checkpoint()
			h := f.head(tp)
			for i := range record.ProducerID(90_000) {
				if h.Producers = append(h.Producers, ledger.HeadProducer{ID: 1e9 + i, Revision: 1}); p == 2 && i > 2000 {
					break
				}
			}
			f.Put(f.Keys.Head(tp.Topic, p), h.Encode())
			changes = append(changes, f.settle(tp, h.Spans))
		}
		f.a.Barrier()
		f.want(f.swap(changes...), reference.Swapped, reference.Swapped, reference.Swapped)
	})
}

// Sweep may have found an object unreferenced since the log start passed it: a manifest that lists it comes too late.
func TestSwap_AManifestDoesNotReferAgainToWhatTheHeadHasLetGo(t *testing.T) {
	bubble(t, func(f *fixture) {
		spans := f.head(f.tp).Spans
		late := reference.Change{Partition: f.tp, Remove: spans[:2], Manifest: manifest(f.id(), 0, 2)}
		if _, err := f.a.Upkeep.DeleteRecords(f.t.Context(), f.tp, spans[0].End); err != nil {
			f.t.Fatal(err)
		}
		f.want(f.swap(late), reference.Changed)
		f.want(f.swap(reference.Change{Partition: f.tp, Remove: spans[1:2], Manifest: manifest(f.id(), 1, 2)}), reference.Swapped)
	})
}
