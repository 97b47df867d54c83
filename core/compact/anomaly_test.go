package compact_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
)

// place puts settled spans of batches into the head, as if they had been settled at such offsets.
func (f *fixture) place(next record.Offset, spans ...map[record.Offset][2]string) {
	f.t.Helper()
	h := &ledger.Head{AsOf: 1, Next: next}
	for i, batches := range spans {
		base, end := f.bounds(spans, i, next)
		b := segment.NewSettled()
		_ = b.Begin(f.tp, base)
		for _, at := range sortedKeys(batches) {
			pair := batches[at]
			sealed := single(f.t, pair[0], pair[1])
			record.Stamp(sealed, at)
			_ = b.Add(sealed)
		}
		_ = b.End(end)
		s, err := b.Seal()
		if err != nil {
			f.t.Fatal(err)
		}
		id, err := f.a.Stream.NewID()
		if err != nil {
			f.t.Fatal(err)
		}
		if err := f.Disk.Put(f.t.Context(), ledger.ObjectKey(ledger.InOwn, f.tp, id), s.Chunks...); err != nil {
			f.t.Fatal(err)
		}
		r := s.Runs[0]
		h.Spans = append(h.Spans, ledger.Span{Segment: id, Place: ledger.InOwn, Tier: 1, Position: r.Position, Length: r.Length, Base: base, End: end, MaxTimestamp: r.MaxTimestamp})
	}
	f.Put(f.Keys.Head(f.tp.Topic, f.tp.Partition), h.Encode())
	f.a.Stop()
	f.a = f.Instance("b", options()).Ready()
	f.compactor = f.compactorOf(f.a)
}

// single is a batch of one record.
func single(t *testing.T, key, value string) []byte {
	t.Helper()
	b, err := record.NewBatch(record.Settings{}).Append(time.Now().UnixMilli(), []byte(key), valueOf(value), record.RecordHeader{Key: "h", Value: []byte(key)}).Seal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (f *fixture) bounds(spans []map[record.Offset][2]string, i int, next record.Offset) (base, end record.Offset) {
	if i > 0 {
		base = sortedKeys(spans[i])[0]
	}
	end = next
	if i+1 < len(spans) {
		end = sortedKeys(spans[i+1])[0]
	}
	return base, end
}

// Anomaly 29: offsets more than 2^31 apart in one object, sparse ranges: nothing looks invalid, nothing is lost.
func TestAnomaly29_OffsetsFarApartSurviveCompaction(t *testing.T) {
	const far = record.Offset(1) << 33
	bubble(t, 1, nil, func(f *fixture) {
		f.place(5*far+1,
			map[record.Offset][2]string{0: {"a", "a0"}, 7: {"b", "b0"}, far: {"c", "c0"}, 2*far + 3: {"a", "a1"}},
			map[record.Offset][2]string{3 * far: {"d", "d0"}, 4 * far: {"b", ""}, 5 * far: {"e", "e0"}})
		f.compactAll()
		want := map[record.Offset]string{far: "c0", 2*far + 3: "a1", 3 * far: "d0", 4 * far: "", 5 * far: "e0"}
		for round := range 3 {
			f.Walk()
			records, _, end := f.read(f.a, true)
			for _, r := range records {
				if v, ok := want[r.offset]; !ok || v != r.value {
					f.t.Errorf("round %d: offset %d has %q", round, r.offset, r.value)
				}
			}
			if len(records) != len(want) || f.clean() != end {
				f.t.Errorf("round %d: %d records, want %d; clean up to %d of %d", round, len(records), len(want), f.clean(), end)
			}
			// Once more, all in one object by now, and with the tombstone's time over.
			time.Sleep(2 * tombstones)
			f.a.MustProduce(ingest.Incoming{Partition: f.tp, Batch: single(f.t, fmt.Sprintf("n%d", round), "x")})
			want[5*far+1+record.Offset(round)] = "x"
			delete(want, 4*far)
			f.settleAll()
			f.compactAll()
		}
	})
}

// Anomaly 30: whatever moves the same references while a group is about to be swapped, no record is lost or comes back.
func TestAnomaly30_RacesWithEverythingThatMovesReferences(t *testing.T) {
	for name, race := range map[string]func(f *fixture){
		"checkpoint": func(f *fixture) { f.write(); f.settleHeads() },
		"settle":     func(f *fixture) { f.write(); f.settleAll() },
		"delete records": func(f *fixture) {
			if _, err := f.a.Upkeep.DeleteRecords(f.t.Context(), f.tp, record.Offset(f.dice.IntN(len(f.log)))); err != nil {
				f.t.Fatal(err)
			}
		},
		"delete all": func(f *fixture) {
			if _, err := f.a.Upkeep.DeleteRecords(f.t.Context(), f.tp, record.Offset(len(f.log))); err != nil {
				f.t.Fatal(err)
			}
		},
		"another compaction": func(f *fixture) {
			if err := f.compactorOf(f.a).Run(f.t.Context()); err != nil {
				f.t.Fatal(err)
			}
		},
	} {
		for at := 1; at <= 12; at++ {
			bubble(t, uint64(at), nil, func(f *fixture) {
				f.history(25)
				commits := 0
				f.FaultKV(func(_ string, op coordination.Op, _ string) coordination.Decision {
					if op == coordination.OpCommit {
						if commits++; commits == at {
							race(f)
						}
					}
					return coordination.Decision{}
				})
				f.compactAll()
				f.FaultKV(nil)
				f.check()
				time.Sleep(time.Hour)
				f.settleAll()
				f.compactAll()
				f.check()
			})
			if t.Failed() {
				t.Fatalf("%s at commit %d", name, at)
			}
		}
	}
}

// history fills the partition, settled and with a manifest, and then something dirty.
func (f *fixture) history(rounds int) {
	for round := range rounds {
		f.write()
		if f.dice.IntN(3) == 0 {
			f.end(f.id(), f.dice.IntN(2) == 0)
		}
		if f.settleAll(); round == rounds/2 {
			f.compactAll()
		}
	}
	for id := range f.txns {
		f.end(id, f.dice.IntN(2) == 0)
	}
	f.settleAll()
}

func TestCompact_ATopicDeletedMeanwhileGetsNoHead(t *testing.T) {
	bubble(t, 3, nil, func(f *fixture) {
		f.history(25)
		once := true
		f.FaultKV(func(_ string, op coordination.Op, _ string) coordination.Decision {
			if op == coordination.OpCommit && once {
				once = false
				f.DeleteTopic("t", f.tp.Topic)
			}
			return coordination.Decision{}
		})
		if err := f.compactor.Run(f.t.Context()); err != nil || once {
			t.Errorf("%v, deleted: %v", err, !once)
		}
		if left := f.Items(f.Keys.Heads()); len(left) != 0 {
			t.Errorf("heads are left: %v", left)
		}
	})
}

// Killed at each of its requests, before or after it took effect, a compaction is finished by another instance.
func TestCompact_KilledAnywhereLosesNothing(t *testing.T) {
	for i, fail := range []struct {
		kv    coordination.Failure
		store objectstore.Failure
	}{{coordination.FailBefore, objectstore.FailBefore}, {coordination.FailAfter, objectstore.FailAfter}} {
		for at := 1 + i; ; at += 2 {
			requests := 0
			bubble(t, 5, nil, func(f *fixture) {
				f.history(20)
				dead := func() bool { requests++; return requests >= at }
				f.FaultStore(func(_ string, _ objectstore.Op, _ string) (d objectstore.Decision) {
					if dead() {
						d.Fail = fail.store
					}
					return d
				})
				f.FaultKV(func(_ string, op coordination.Op, _ string) (d coordination.Decision) {
					if op != coordination.OpUpdate && op != coordination.OpWatch && dead() {
						d.Fail = fail.kv
					}
					return d
				})
				ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
				if err := f.compactor.Run(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, coordination.ErrUnavailable) {
					f.t.Logf("killed at request %d: %v", at, err)
				}
				cancel()
				f.FaultStore(nil)
				f.FaultKV(nil)
				time.Sleep(time.Second)
				f.a.Barrier()
				f.check()
				f.compactor = f.compactorOf(f.a)
				f.compactAll()
				f.check()
				if clean := f.clean(); clean == 0 {
					f.t.Error("nothing was compacted")
				}
			})
			if t.Failed() {
				t.Fatalf("killed at request %d", at)
			}
			if requests < at {
				t.Logf("%d requests", requests)
				break
			}
		}
	}
}

func sortedKeys(m map[record.Offset][2]string) []record.Offset {
	return slices.Sorted(maps.Keys(m))
}
