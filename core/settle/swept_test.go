package settle_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/objectstore"
)

// pass lets the floor pass every id so far.
func (f *fixture) pass() {
	f.t.Helper()
	for range 2 {
		time.Sleep(time.Second)
		if err := f.a.Upkeep.RaiseStamp(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
	f.a.Upkeep.Observe()
	if err := errors.Join(f.a.Upkeep.RaiseFloor(f.t.Context()), f.a.Upkeep.Trim(f.t.Context())); err != nil {
		f.t.Fatal(err)
	}
}

// sweep makes both rounds.
func (f *fixture) sweep() {
	f.t.Helper()
	f.pass()
	if err := errors.Join(f.a.Upkeep.Sweep(f.t.Context()), f.a.Upkeep.SweepSettled(f.t.Context())); err != nil {
		f.t.Fatal(err)
	}
}

// settled has a history with all kinds of objects.
func (f *fixture) settled(rounds int) {
	for range rounds {
		f.busy(f.a, 8)
		f.checkpoint()
		f.run(f.settler)
	}
}

func (f *fixture) named() map[string]struct{} {
	out := map[string]struct{}{}
	for _, w := range f.check() {
		maps.Copy(out, w.Named)
	}
	return out
}

func TestSweep_LeavesExactlyWhatHeadsAndManifestsName(t *testing.T) {
	for seed := range uint64(6) {
		bubble(t, seed, func(f *fixture) {
			for range 4 {
				f.settled(8)
				f.sweep()
				want := slices.Sorted(maps.Keys(f.named()))
				if got := slices.Sorted(slices.Values(f.Bucket())); !slices.Equal(got, want) {
					f.t.Fatalf("seed %d: the bucket holds %d objects:\n%s\nreferred to are %d:\n%s", seed, len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
				}
			}
			if got := f.a.ReadAll(f.tp(0)); len(got) != len(f.acked[f.tp(0)]) {
				f.t.Errorf("seed %d: read %d records of %d", seed, len(got), len(f.acked[f.tp(0)]))
			}
		})
	}
}

func TestSweep_FoldersOfADeletedTopicAreEmptied(t *testing.T) {
	bubble(t, 1, func(f *fixture) {
		f.settled(12)
		f.DeleteTopic("t", f.topic)
		f.a.Barrier()
		f.sweep()
		if left := f.Bucket(); len(left) != 0 {
			f.t.Errorf("left: %v", left)
		}
	})
}

func TestSweep_SettledObjectsAboveTheFloorOrOfAnEarlierEraStay(t *testing.T) {
	bubble(t, 1, func(f *fixture) {
		old, young := ulid.ULID{}, ulid.ULID{}
		_ = old.SetTime(uint64(f.Start.Add(-time.Hour).UnixMilli()))
		_ = young.SetTime(uint64(time.Now().Add(time.Hour).UnixMilli()))
		var want []string
		for _, id := range []ulid.ULID{old, young} {
			want = append(want, ledger.ManifestKey(f.tp(0), id))
			for _, place := range []ledger.Place{ledger.InShared, ledger.InOwn, ledger.InCold} {
				want = append(want, ledger.ObjectKey(place, f.tp(0), id))
			}
		}
		foreign := []string{ledger.SettledPrefix + "what/is/this", ledger.ManifestPrefix + "x", ledger.SharedPrefix + "y"}
		want = append(want, foreign...)
		for _, key := range want {
			if err := f.Disk.Put(f.t.Context(), key, []byte("x")); err != nil {
				f.t.Fatal(err)
			}
		}
		for range 3 {
			f.sweep()
		}
		if got := slices.Sorted(slices.Values(f.Bucket())); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			f.t.Errorf("left: %v", got)
		}
	})
}

// A fork names objects in the folder of its source: in its head, by the source's manifest, and in a manifest of its own.
func TestSweep_WhatAForkRefersToOutlivesItsSource(t *testing.T) {
	bubble(t, 2, func(f *fixture) {
		f.settled(25)
		source := f.tp(0)
		w := f.check()[source]
		if w.Manifest == nil || len(w.Spans) == 0 {
			f.t.Fatalf("no manifest, or nothing in the head: %+v", w)
		}
		f.CreateTopic("fork", 2)
		fork, _ := f.a.Stream.TopicByName("fork")
		for fork == nil {
			f.a.Barrier()
			fork, _ = f.a.Stream.TopicByName("fork")
		}
		snap, _ := f.Etcd.Get(f.t.Context(), f.Keys.Head(source.Topic, 0))
		h, err := ledger.DecodeHead(snap.Items[0].Value)
		if err != nil {
			f.t.Fatal(err)
		}
		for i := range h.Spans {
			if h.Spans[i].Place > ledger.InShared {
				h.Spans[i].Owner = source
			}
		}
		h.Manifest.Owner, h.Producers = source, nil
		f.Put(f.Keys.Head(fork.ID, 0), h.Encode())
		f.Put(f.Keys.Head(fork.ID, 1), f.adopted(source, record.TopicPartition{Topic: fork.ID, Partition: 1}, h).Encode())
		f.a.Barrier()
		before := f.Instance("early", coretest.Options{}).Ready().ReadAll(record.TopicPartition{Topic: fork.ID})
		f.DeleteTopic("t", f.topic)
		f.a.Barrier()
		f.acked = nil
		for range 3 {
			f.sweep()
		}
		f.check()
		late := f.Instance("late", coretest.Options{}).Ready()
		for p := range int32(2) {
			if got := late.ReadAll(record.TopicPartition{Topic: fork.ID, Partition: p}); len(got) == 0 || !slices.Equal(got, before) {
				f.t.Errorf("the fork's partition %d has %d records, %d before its source was deleted", p, len(got), len(before))
			}
		}
		if left := f.Bucket(); len(left) == 0 || len(left) != len(f.named()) {
			f.t.Errorf("%d objects, %d are referred to", len(left), len(f.named()))
		}
	})
}

// adopted gives a head like h whose manifest is of its own, and names objects of the source.
func (f *fixture) adopted(source, tp record.TopicPartition, h *ledger.Head) *ledger.Head {
	f.t.Helper()
	body, err := f.Disk.Get(f.t.Context(), ledger.ManifestKey(source, h.Manifest.ID), 0, -1)
	if err != nil {
		f.t.Fatal(err)
	}
	root, err := manifest.Decode(body)
	if err != nil {
		f.t.Fatal(err)
	}
	id, _ := f.a.Stream.NewID()
	if err := f.Disk.Put(f.t.Context(), ledger.ManifestKey(tp, id), root.Adopt(source).Encode()); err != nil {
		f.t.Fatal(err)
	}
	own := *h
	m := *h.Manifest
	m.Owner, m.ID = record.TopicPartition{}, id
	own.Manifest = &m
	return &own
}

func TestSweep_AnUnreadableManifestStopsTheDeletingOfSettledObjectsAlone(t *testing.T) {
	bubble(t, 2, func(f *fixture) {
		f.settled(25)
		w := f.check()[f.tp(0)]
		key := w.Manifest.Key(f.tp(0))
		before := len(f.Bucket())
		f.FaultStore(func(_ string, op objectstore.Op, k string) (d objectstore.Decision) {
			if op == objectstore.OpGet && k == key {
				d.Fail = objectstore.FailBefore
			}
			return d
		})
		f.pass()
		if err := f.a.Upkeep.SweepSettled(f.t.Context()); err == nil {
			f.t.Error("no error")
		}
		if got := len(f.Bucket()); got != before {
			f.t.Errorf("%d objects were deleted", before-got)
		}
		if err := f.a.Upkeep.Sweep(f.t.Context()); err != nil {
			f.t.Error(err)
		}
		if got := len(f.Bucket()); got == before {
			f.t.Error("segments and shared objects were not swept")
		}
		f.FaultStore(nil)
		f.sweep()
		f.check()
	})
}

// Anomaly 23, of maintenance: a settler is paused between its put and the swap, while the floor passes its object and sweep goes
// over the bucket. Whatever it does then, nothing refers to an object that is gone.
func TestAnomaly23_APausedSettlersObjectIsNeverSweptAndThenReferredTo(t *testing.T) {
	for _, place := range []string{"segment", "manifest"} {
		t.Run(place, func(t *testing.T) {
			bubble(t, 2, func(f *fixture) {
				b := f.Instance("b", coretest.Options{}).Ready()
				slow := f.settlerOf(b, tiny)
				f.settled(10)
				f.busy(f.a, 10)
				f.checkpoint()
				b.Barrier()
				puts := 0
				f.FaultKV(func(who string, op coordination.Op, key string) coordination.Decision {
					if who == "b" && op == coordination.OpCommit && strings.Contains(key, "/heads/") {
						if puts++; puts == 1 || place == "manifest" {
							f.sweepTwice()
						}
					}
					return coordination.Decision{}
				})
				_ = slow.Run(f.t.Context()) // refused, or done: either is right
				f.FaultKV(nil)
				if puts == 0 {
					f.t.Fatal("nothing was swapped")
				}
				f.check()
				f.run(f.settler)
				f.sweep()
				f.check()
			})
		})
	}
}

func (f *fixture) sweepTwice() {
	f.sweep()
	f.sweep()
}

// Anomaly 32: a reader, here another settler, holds references that were replaced and swept.
func TestAnomaly32_ASettlerThatIsBehindFindsItsInputGoneAndDoesNoHarm(t *testing.T) {
	bubble(t, 3, func(f *fixture) {
		b := f.Instance("b", coretest.Options{}).Ready()
		slow := f.settlerOf(b, tiny)
		f.settled(10)
		f.busy(f.a, 12)
		f.checkpoint()
		b.Barrier()
		var gets atomic.Int64
		f.FaultStore(func(who string, op objectstore.Op, _ string) objectstore.Decision {
			if who == "b" && op == objectstore.OpGet {
				if gets.Add(1) == 2 {
					f.run(f.settler)
					f.sweepTwice()
				}
			}
			return objectstore.Decision{}
		})
		if err := slow.Run(f.t.Context()); err != nil {
			f.t.Error(err)
		}
		f.FaultStore(nil)
		if slow.Damaged() != 0 {
			f.t.Error("what was replaced was taken for damaged")
		}
		f.check()
		for _, r := range f.reports {
			if r.Damaged != 0 {
				f.t.Errorf("%+v", r)
			}
		}
	})
}

func TestSpill_AManifestWithPagesIsReadAndKept(t *testing.T) {
	bubble(t, 1, func(f *fixture) {
		eager := f.settlerOf(f.a, func(s *settle.Settings) {
			tiny(s)
			s.Bytes = 100
		})
		for range 14 {
			for range 25 {
				f.produce(f.a, 0, 1, 60)
			}
			f.checkpoint()
			f.run(eager)
		}
		w := f.check()[f.tp(0)]
		if len(w.Listed) <= manifest.PageEntries || w.Places[ledger.InOwn] < manifest.PageEntries {
			f.t.Fatalf("%d entries in the manifest, %v", len(w.Listed), w.Places)
		}
		f.sweepTwice()
		f.check()
		if got := f.Bucket(); len(got) != len(f.named()) {
			f.t.Errorf("%d objects, %d are referred to", len(got), len(f.named()))
		}
		if got := f.a.ReadAll(f.tp(0)); len(got) != len(f.acked[f.tp(0)]) {
			f.t.Errorf("%d records", len(got))
		}
	})
}
