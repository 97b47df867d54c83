package settle_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/objectstore"
)

// spoil changes a byte of a stored object.
func (f *fixture) spoil(key string, at int64) {
	f.t.Helper()
	body, err := f.Disk.Get(f.t.Context(), key, 0, -1)
	if err != nil {
		f.t.Fatal(err)
	}
	body[at] ^= 1
	if err := f.Disk.Delete(f.t.Context(), key); err != nil {
		f.t.Fatal(err)
	}
	if err := f.Disk.Put(f.t.Context(), key, body); err != nil {
		f.t.Fatal(err)
	}
}

// first is the first span of a partition's head.
func (f *fixture) first(tp record.TopicPartition) (s ledger.Span) {
	f.a.View(func(l *ledger.Ledger) { s = l.Partition(tp).Stored()[0] })
	return s
}

func TestSettle_DamageStopsThePartitionThereAndNothingElse(t *testing.T) {
	for name, damage := range map[string]func(f *fixture, key string, s ledger.Span){
		"a byte of a record": func(f *fixture, key string, s ledger.Span) { f.spoil(key, s.Position+record.HeaderSize+3) },
		"a length":           func(f *fixture, key string, s ledger.Span) { f.spoil(key, s.Position+11) },
		"offsets of a batch": func(f *fixture, key string, s ledger.Span) { f.spoil(key, s.Position+26) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(f *fixture) {
				f.busy(f.a, 15)
				f.checkpoint()
				s := f.first(f.tp(0))
				damage(f, s.Key(f.tp(0)), s)
				time.Sleep(61 * time.Second)
				f.run(f.settler)
				if f.settler.Damaged() == 0 {
					f.t.Fatal("nothing damaged was found")
				}
				if got := f.first(f.tp(0)); got.Segment != s.Segment || got.Settled() {
					f.t.Errorf("what is damaged was replaced: %+v", got)
				}
				unsettled := 0
				f.a.View(func(l *ledger.Ledger) {
					l.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
						for _, s := range p.Stored() {
							if tp != f.tp(0) && !s.Settled() && s.Inline == nil {
								unsettled++
							}
						}
					})
				})
				if unsettled > 0 {
					f.t.Errorf("%d spans of other partitions were not settled", unsettled)
				}
				n := len(f.reports)
				f.run(f.settler)
				if len(f.reports) != n {
					f.t.Error("tried again at once")
				}
				damage(f, s.Key(f.tp(0)), s) // whole again
				time.Sleep(11 * time.Minute)
				f.run(f.settler)
				f.check()
				if f.settler.Damaged() != 0 || f.first(f.tp(0)).Place == ledger.InSegment {
					f.t.Error("not tried again")
				}
			})
		})
	}
}

func TestSettle_AnUnreachableStoreIsNoDamage(t *testing.T) {
	bubble(t, 1, func(f *fixture) {
		f.busy(f.a, 15)
		f.checkpoint()
		f.FaultStore(func(_ string, op objectstore.Op, _ string) (d objectstore.Decision) {
			if op == objectstore.OpGet {
				d.Fail = objectstore.FailBefore
			}
			return d
		})
		if err := f.settler.Run(f.t.Context()); err == nil || f.settler.Damaged() != 0 {
			f.t.Errorf("%v, %d damaged", err, f.settler.Damaged())
		}
		f.FaultStore(nil)
		f.run(f.settler)
		f.check()
	})
}

func TestSettle_WhatWasWrittenIsCheckedBeforeItIsReferredTo(t *testing.T) {
	bubble(t, 1, func(f *fixture) {
		f.busy(f.a, 15)
		f.checkpoint()
		f.FaultStore(func(_ string, op objectstore.Op, _ string) (d objectstore.Decision) {
			if op == objectstore.OpPut {
				d.Fail = objectstore.FailBefore
			}
			return d
		})
		if err := f.settler.Run(f.t.Context()); err == nil {
			f.t.Error("no error")
		}
		if s := f.first(f.tp(0)); s.Place != ledger.InSegment {
			f.t.Error("a head refers to an object that is not there")
		}
	})
}

// transact writes a transaction to a partition through another one's batches, and ends it or leaves it open.
func (f *fixture) transact(name string, p int32, end string) {
	f.t.Helper()
	ctx := f.t.Context()
	got, err := f.a.Txns.Init(ctx, name, 60_000, txn.Identity{Producer: record.NoProducer, Epoch: -1})
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range int32(3) {
		f.produce(f.a, p, 1, 40)
		f.remember(f.tp(p), f.a.MustProduce(coretest.Transactional(name, f.tp(p), got.Producer, got.Epoch, i, name+strings.Repeat("x", 60)))[0], []string{name + strings.Repeat("x", 60)})
	}
	if end != "" {
		if _, err := f.a.Txns.End(ctx, name, got, end == "commit", true); err != nil {
			f.t.Fatal(err)
		}
	}
}

func TestSettle_MarkersAreWrittenOutAndAbortedTransactionsStayKnown(t *testing.T) {
	bubble(t, 2, func(f *fixture) {
		var reads [][]string
		for i := range 30 {
			f.transact("c", 0, "commit")
			f.transact("a", 0, "abort")
			f.transact("b", 1, "abort")
			f.checkpoint()
			f.run(f.settler)
			if i%10 == 9 {
				reads = append(reads, f.committed(0))
			}
		}
		f.transact("open", 0, "")
		for range 12 {
			f.busy(f.a, 8)
			f.checkpoint()
			f.run(f.settler)
		}
		w := f.check()[f.tp(0)]
		if w.Manifest == nil {
			f.t.Fatal("no manifest")
		}
		f.a.View(func(l *ledger.Ledger) {
			if p := l.Partition(f.tp(0)); w.Manifest.End > p.LastStable() {
				f.t.Errorf("the manifest ends at %d, beyond the last stable offset %d", w.Manifest.End, p.LastStable())
			}
		})
		for _, s := range w.Listed {
			if s.Inline != nil {
				f.t.Error("a marker in a manifest")
			}
		}
		now := f.committed(0)
		for _, before := range reads {
			if !slices.Equal(now[:len(before)], before) {
				f.t.Fatal("what read_committed readers see has changed")
			}
		}
		for _, v := range now {
			if v[0] == 'a' || v[0] == 'o' {
				f.t.Fatalf("a record of an aborted or open transaction was read: %.10q", v)
			}
		}
	})
}

// committed is what a read_committed consumer gets.
func (f *fixture) committed(p int32) (values []string) {
	f.t.Helper()
	b, err := f.a.Fetch.Bounds(f.t.Context(), f.tp(p))
	if err != nil {
		f.t.Fatal(err)
	}
	for at := b.LogStart; at < b.LastStable; {
		r := f.a.Fetch.Fetch(f.t.Context(), fetch.Request{ReadCommitted: true, BytesMax: 1 << 20, Partitions: []fetch.Partition{{TopicPartition: f.tp(p), Offset: at, BytesMax: 4000}}})[0]
		if r.Err != nil || len(r.Batches) == 0 {
			f.t.Fatalf("read at %d of %d: %v", at, b.LastStable, r.Err)
		}
		aborted := map[record.ProducerID]record.Offset{}
		for _, a := range r.Aborted {
			if first, ok := aborted[a.Producer]; !ok || a.First < first {
				aborted[a.Producer] = a.First
			}
		}
		for batch := range record.Batches(r.Batches) {
			h, _ := record.ReadHeader(batch)
			if h.LastOffset() < at {
				continue
			}
			at = h.LastOffset() + 1
			first, hit := aborted[h.Producer]
			if hit && h.IsControl() && h.BaseOffset >= first {
				delete(aborted, h.Producer)
				for _, a := range r.Aborted { // the next one of this producer
					if next, ok := aborted[h.Producer]; a.Producer == h.Producer && a.First > h.BaseOffset && (!ok || a.First < next) {
						aborted[h.Producer] = a.First
					}
				}
			}
			if h.IsControl() || hit && h.IsTransactional() && h.BaseOffset >= first {
				continue
			}
			for _, got := range coretest.Records(f.t, batch) {
				values = append(values, got.Value)
			}
		}
	}
	return values
}

func TestSettle_RecompressesWhereTheTopicAsksForIt(t *testing.T) {
	bubble(t, 1, func(f *fixture) {
		id := f.CreateTopic("z", 1, settle.CompressionConfig, "zstd")
		tp := record.TopicPartition{Topic: id}
		f.a.Barrier()
		var want []string
		for i := range 40 {
			v := strings.Repeat("compressible ", 20)
			want = append(want, v)
			var in ingest.Incoming
			if in = coretest.Plain(tp, v); i%2 == 0 {
				in = coretest.Idempotent(tp, 9, 0, int32(i/2), v)
			}
			f.a.MustProduce(in)
		}
		f.checkpoint()
		before := f.Walk()[tp].Records
		f.run(f.settler)
		w := f.Walk()[tp]
		if !slices.Equal(w.Records, before) {
			f.t.Error("offsets, timestamps or values have changed")
		}
		bytes := int64(0)
		for _, s := range w.Spans {
			if bytes += s.Length; !s.Settled() {
				continue
			}
			body, _ := f.Disk.Get(f.t.Context(), s.Key(tp), s.Position, s.Length)
			for b := range record.Batches(body) {
				if h, _ := record.Check(b); h.Codec() != record.CodecZstd || h.Producer >= 0 && h.Producer != 9 {
					f.t.Errorf("batch %+v", h)
				}
			}
		}
		if bytes > 40*200 {
			f.t.Errorf("%d bytes of 40 records", bytes)
		}
		if got := f.a.ReadAll(tp); !slices.Equal(got, want) {
			f.t.Errorf("read %d records", len(got))
		}
	})
}

// A head that does not fit into etcd is a reason to settle its partition at once, however little it is.
func TestSettle_AnUrgentPartitionGoesFirst(t *testing.T) {
	bubble(t, 1, func(f *fixture) {
		f.produce(f.a, 3, 1, 10)
		f.produce(f.a, 4, 1, 10)
		f.checkpoint()
		f.settler.Urge(f.tp(3))
		f.run(f.settler)
		w := f.check()
		if got := w[f.tp(3)]; got.Manifest == nil || len(got.Spans) != 0 {
			f.t.Errorf("the urgent one: %+v", got.Spans)
		}
		if got := w[f.tp(4)].Spans; len(got) != 1 || got[0].Place != ledger.InSegment {
			f.t.Errorf("the other one: %+v", got)
		}
		if len(f.reports) != 1 && len(f.reports) != 2 {
			f.t.Errorf("%+v", f.reports)
		}
	})
}

// A clock that is behind the stamp does not take everything for too young.
func TestSettle_AClockThatIsBehindGoesByTheStamp(t *testing.T) {
	bubble(t, 1, func(f *fixture) {
		f.busy(f.a, 15)
		time.Sleep(2 * time.Minute)
		if err := f.a.Upkeep.RaiseStamp(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
		f.a.Barrier()
		f.checkpoint()
		f.a.Skew(-time.Hour)
		f.run(f.settler)
		if len(f.reports) == 0 {
			f.t.Error("nothing was settled")
		}
		f.check()
	})
}
