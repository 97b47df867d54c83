package settle_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/upkeep"
)

// fixture is an instance and its settler with thresholds of some kilobytes.
type fixture struct {
	*coretest.Cluster
	t       *testing.T
	a       *coretest.Instance
	topic   record.TopicID
	dice    *rand.Rand
	settler *settle.Settler
	reports []settle.Report
	next    map[record.ProducerID]int32
	acked   map[record.TopicPartition]map[record.Offset]string
	count   int
}

func tiny(s *settle.Settings) {
	s.Bytes, s.Age, s.Rest, s.SegmentsMax = 3000, time.Minute, 0, 12
	s.FanIn, s.SpansMax, s.SpillObjects = 3, 8, 3
	s.PieceBytes, s.AheadBytes, s.LoadsMax = 700, 2000, 3
}

func bubble(t *testing.T, seed uint64, fn func(f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, t: t, topic: c.CreateTopic("t", 6), dice: rand.New(rand.NewPCG(seed, 5)),
			next: map[record.ProducerID]int32{}, acked: map[record.TopicPartition]map[record.Offset]string{}}
		f.a = c.Instance("a", coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge, s.Lag, s.SweepGrace = 0, 0, 0 }}).Ready()
		f.settler = f.settlerOf(f.a, tiny)
		fn(f)
	})
}

func (f *fixture) settlerOf(in *coretest.Instance, tune func(*settle.Settings)) *settle.Settler {
	s := settle.Settings{Store: in.Store, KV: in.KV, Keys: f.Keys, Stream: in.Stream, Now: in.Now, Log: coretest.Quiet(),
		Observe: func(r settle.Report) { f.reports = append(f.reports, r) }}.Defaults()
	tune(&s)
	return settle.New(s)
}

func (f *fixture) tp(p int32) record.TopicPartition {
	return record.TopicPartition{Topic: f.topic, Partition: p}
}

// produce adds a batch of some records to a partition, of no producer or of an idempotent one, and remembers what was acknowledged.
func (f *fixture) produce(in *coretest.Instance, p int32, records, size int) {
	f.t.Helper()
	var values []string
	for range records {
		f.count++
		values = append(values, fmt.Sprintf("%0*d", size, f.count))
	}
	tp := f.tp(p)
	batches := []ingest.Incoming{coretest.Plain(tp, values...)}
	if id := record.ProducerID(1e6 + p); f.dice.IntN(2) == 0 {
		b := coretest.Idempotent(tp, id, 0, f.next[id], values...)
		f.next[id] += int32(records)
		batches = []ingest.Incoming{b}
	}
	f.remember(tp, in.MustProduce(batches...)[0], values)
	if f.dice.IntN(4) == 0 && batches[0].Batch != nil { // again: a hole in the segment, or the same once more
		if h, _ := record.ReadHeader(batches[0].Batch); h.HasProducer() {
			in.Produce(batches[0])
		}
	}
}

func (f *fixture) remember(tp record.TopicPartition, base record.Offset, values []string) {
	if f.acked[tp] == nil {
		f.acked[tp] = map[record.Offset]string{}
	}
	for i, v := range values {
		f.acked[tp][base+record.Offset(i)] = v
	}
}

// busy produces to all partitions: the first gets most.
func (f *fixture) busy(in *coretest.Instance, rounds int) {
	f.t.Helper()
	for range rounds {
		for p := range int32(6) {
			if n := f.dice.IntN(12); n > int(2*p) {
				f.produce(in, p, 1+f.dice.IntN(3), 10+f.dice.IntN(150))
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (f *fixture) checkpoint() {
	f.t.Helper()
	f.a.Upkeep.Observe()
	if err := f.a.Upkeep.Checkpoint(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) run(s *settle.Settler) {
	f.t.Helper()
	if err := s.Run(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// check walks all references: every acknowledged record is at its offset, and no other data is there.
func (f *fixture) check() map[record.TopicPartition]*coretest.Walked {
	f.t.Helper()
	walked := f.Walk()
	for tp, want := range f.acked {
		n := 0
		for _, r := range walked[tp].Records {
			if value, ok := want[r.Offset]; ok && value == r.Value {
				n++
			} else if ok || len(r.Value) > 6 { // a marker's value has six bytes
				f.t.Fatalf("partition %d, offset %d: %.40q, acknowledged was %.40q", tp.Partition, r.Offset, r.Value, value)
			}
		}
		if n != len(want) {
			f.t.Fatalf("partition %d: %d records, %d were acknowledged", tp.Partition, n, len(want))
		}
	}
	return walked
}

func (f *fixture) heads() (most int) {
	f.a.View(func(l *ledger.Ledger) {
		l.EachPartition(func(_ record.TopicPartition, p *ledger.Partition) { most = max(most, len(p.Stored())) })
	})
	return most
}

func TestSettle_EveryRecordKeepsItsOffsetWhateverIsRewritten(t *testing.T) {
	for seed := range uint64(12) {
		bubble(t, seed, func(f *fixture) {
			kinds := map[string]int{}
			for range 25 {
				f.busy(f.a, 3+f.dice.IntN(10))
				f.checkpoint()
				f.run(f.settler)
				f.check()
				time.Sleep(time.Duration(f.dice.IntN(30)) * time.Second)
			}
			walked := f.check()
			for _, r := range f.reports {
				kinds[r.Kind]++
				if r.Damaged+r.LeftOut > 0 {
					f.t.Errorf("seed %d: %+v", seed, r)
				}
			}
			for _, kind := range []string{"settle", "merge", "own", "spill"} {
				if kinds[kind] == 0 {
					f.t.Errorf("seed %d: no %s in %v", seed, kind, kinds)
				}
			}
			if most := f.heads(); most > 40 {
				f.t.Errorf("seed %d: a head has %d spans", seed, most)
			}
			if w := walked[f.tp(0)]; w.Manifest == nil {
				f.t.Errorf("seed %d: the busiest partition has no manifest: %d spans", seed, len(w.Spans))
			}
			for tp, want := range f.acked { // and as consumers see it, from another instance too
				got := f.a.ReadAll(tp)
				for at, v := range want {
					if got[at] != v {
						f.t.Fatalf("seed %d: partition %d, offset %d: read %.20q, want %.20q", seed, tp.Partition, at, got[at], v)
					}
				}
			}
		})
	}
}

func TestSettle_NoByteIsRewrittenMoreThanFourTimes(t *testing.T) {
	bubble(t, 3, func(f *fixture) {
		for range 60 {
			f.busy(f.a, 6)
			f.checkpoint()
			f.run(f.settler)
		}
		tiers := map[uint8]int{}
		for _, w := range f.check() {
			for _, s := range append(w.Spans, w.Listed...) {
				tiers[s.Tier]++
				if s.Tier > 4 || s.Place == ledger.InShared && s.Tier > 3 {
					f.t.Errorf("span %+v", s)
				}
			}
		}
		f.t.Logf("spans by tier: %v", tiers)
	})
}

func TestSettle_NothingIsDueTwice(t *testing.T) {
	bubble(t, 4, func(f *fixture) {
		f.busy(f.a, 20)
		f.checkpoint()
		f.run(f.settler)
		n := len(f.reports)
		f.Transcript()
		f.run(f.settler)
		if len(f.reports) != n {
			f.t.Errorf("%d more jobs with nothing new", len(f.reports)-n)
		}
		if lines := slices.DeleteFunc(f.Transcript(), isProgress); len(lines) != 0 {
			f.t.Errorf("requests with nothing due: %v", lines)
		}
	})
}

func isProgress(line string) bool {
	return line == "a kv progress " || len(line) > 4 && line[:4] != "a kv"
}

func TestSettle_LeavesFreshSpansAlone(t *testing.T) {
	bubble(t, 5, func(f *fixture) {
		f.busy(f.a, 40) // no checkpoint: heads name nothing
		f.run(f.settler)
		if len(f.reports) != 0 {
			f.t.Errorf("settled what no head names: %+v", f.reports)
		}
	})
}

func TestSettle_WaitsForBytesOrAge(t *testing.T) {
	bubble(t, 6, func(f *fixture) {
		f.produce(f.a, 1, 1, 10)
		f.checkpoint()
		f.run(f.settler)
		if len(f.reports) != 0 {
			f.t.Fatalf("one small segment was settled at once: %+v", f.reports)
		}
		time.Sleep(61 * time.Second)
		f.run(f.settler)
		if len(f.reports) != 1 || f.reports[0].Kind != "settle" {
			f.t.Fatalf("after its age: %+v", f.reports)
		}
		f.check()
		time.Sleep(17 * time.Minute)
		f.run(f.settler)
		time.Sleep(17 * 16 * time.Minute)
		f.run(f.settler)
		time.Sleep(17 * 256 * time.Minute)
		f.run(f.settler)
		if w := f.check()[f.tp(1)]; len(w.Spans) != 1 || w.Spans[0].Place != ledger.InOwn || w.Spans[0].Tier != 4 {
			f.t.Errorf("in the end: %+v", w.Spans)
		}
	})
}

func TestSettle_StopsAtItsDeadlineAndGoesOnLater(t *testing.T) {
	bubble(t, 7, func(f *fixture) {
		f.busy(f.a, 60)
		f.checkpoint()
		ctx, cancel := context.WithCancel(f.t.Context())
		cancel()
		if _, err := f.settler.Step(ctx); err == nil {
			f.t.Error("no error at the end of the context")
		}
		f.check()
		f.run(f.settler)
		f.check()
	})
}
