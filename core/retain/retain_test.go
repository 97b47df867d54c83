package retain_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/retain"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

type fixture struct {
	*coretest.Cluster
	t        *testing.T
	a        *coretest.Instance
	settler  *settle.Settler
	retainer *retain.Retainer
}

func bubble(t *testing.T, fn func(f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, t: t}
		f.a = c.Instance("a", coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge = 0 }}).Ready()
		s := settle.Settings{Store: f.a.Store, KV: f.a.KV, Keys: c.Keys, Stream: f.a.Stream, Now: f.a.Now, Log: coretest.Quiet()}.Defaults()
		s.Bytes, s.Age, s.Rest, s.SegmentsMax, s.FanIn, s.SpansMax, s.SpillObjects, s.PieceBytes, s.AheadBytes = 1500, time.Minute, 0, 12, 3, 8, 2, 700, 2000
		f.settler = settle.New(s)
		f.retainer = f.retainerOf(func(*retain.Settings) {})
		fn(f)
	})
}

func (f *fixture) retainerOf(tune func(*retain.Settings)) *retain.Retainer {
	archived := archive.New(f.a.Store, archive.BytesMax)
	s := retain.Settings{KV: f.a.KV, Keys: f.Keys, Stream: f.a.Stream, Archive: archived, Amender: amend.New(f.a.Store, archived, f.a.Stream, f.a.KV, f.Keys),
		Now: f.a.Now, Log: coretest.Quiet()}.Defaults()
	tune(&s)
	return retain.New(s)
}

func (f *fixture) topic(name string, partitions int32, configs ...string) record.TopicPartition {
	tp := record.TopicPartition{Topic: f.CreateTopic(name, partitions, configs...)}
	f.a.Barrier()
	return tp
}

func (f *fixture) checkpoint() {
	f.t.Helper()
	f.a.Upkeep.Observe()
	if err := f.a.Upkeep.Checkpoint(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) settle() {
	f.t.Helper()
	f.checkpoint()
	if err := f.settler.Run(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) step() {
	f.t.Helper()
	if err := f.retainer.Step(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) start(tp record.TopicPartition) (start record.Offset) {
	f.t.Helper()
	f.a.View(func(l *ledger.Ledger) { start = l.Partition(tp).LogStart() })
	return start
}

// hourly writes a batch of some 600 bytes each hour; offsets are hours.
func (f *fixture) hourly(tp record.TopicPartition, hours int) {
	f.t.Helper()
	for range hours {
		f.a.MustProduce(coretest.Plain(tp, strings.Repeat("x", 600)))
		time.Sleep(time.Hour)
		f.settle()
	}
}

func TestRetain_ByTimeKeepsWhatIsYoungEnoughWhereverItLies(t *testing.T) {
	bubble(t, func(f *fixture) {
		day := f.topic("day", 1, "retention.ms", fmt.Sprint(24*time.Hour.Milliseconds()))
		ever := f.topic("ever", 1, "retention.ms", "-1")
		compacted := f.topic("compacted", 1, "retention.ms", "1000", "cleanup.policy", "compact")
		usual := f.topic("usual", 1)
		for range 100 {
			for _, tp := range []record.TopicPartition{day, ever, compacted, usual} {
				f.a.MustProduce(coretest.Plain(tp, strings.Repeat("x", 600)))
			}
			time.Sleep(time.Hour)
			f.settle()
			f.step()
			f.Walk()
		}
		for _, tp := range []record.TopicPartition{ever, compacted, usual} {
			if start := f.start(tp); start != 0 {
				t.Errorf("log start %d where nothing expires", start)
			}
		}
		// Batch n was written n hours after the first, and it is a little more than 100 hours now: what is younger than a day must
		// be there, and no more than what shares an entry with it.
		w := f.Walk()[day]
		if start := f.start(day); start > 77 || start < 60 || w.Manifest == nil {
			t.Errorf("log start %d of 100, a batch an hour, 24 hours kept; manifest %v", start, w.Manifest)
		}
		if r := f.a.Read(day, f.start(day)); r.Err != nil || len(r.Batches) == 0 {
			t.Errorf("read at the log start: %v", r.Err)
		}
		if n, longest := f.retainer.Overdue(); n != 0 || longest != 0 {
			t.Errorf("%d overdue for %v", n, longest)
		}
		time.Sleep(7 * 24 * time.Hour)
		f.step()
		if start, next := f.start(usual), record.Offset(100); start != next || f.start(day) != next || f.start(ever) != 0 {
			t.Errorf("a week later: %d, %d, %d", start, f.start(day), f.start(ever))
		}
	})
}

func TestRetain_BySizeKeepsAtLeastThatMuch(t *testing.T) {
	bubble(t, func(f *fixture) {
		tp := f.topic("t", 1, "retention.ms", "-1", "retention.bytes", "20000")
		for range 100 {
			f.hourly(tp, 1)
			f.step()
		}
		bytes := int64(0)
		w := f.Walk()[tp]
		for _, s := range append(w.Listed, w.Spans...) {
			if s.End > f.start(tp) {
				bytes += s.Length
			}
		}
		if bytes < 20000 || bytes > 30000 {
			t.Errorf("%d bytes are kept", bytes)
		}
		if dead := len(w.Listed); dead > 40 {
			t.Errorf("the manifest still lists %d entries", dead)
		}
	})
}

func TestRetain_TimestampsInTheFutureKeepWhatTheyAreIn(t *testing.T) {
	bubble(t, func(f *fixture) {
		tp := f.topic("t", 1, "retention.ms", "1000", "message.timestamp.after.max.ms", "9223372036854775807")
		ahead := time.Now().Add(50 * time.Hour).UnixMilli()
		f.a.MustProduce(coretest.Plain(tp, "0"))
		f.a.MustProduce(coretest.Batch(tp, record.Settings{}, ahead, "1"))
		f.checkpoint()
		time.Sleep(time.Hour)
		f.step()
		if start := f.start(tp); start != 1 {
			t.Errorf("log start %d, want 1: only the first is old", start)
		}
		time.Sleep(50 * time.Hour)
		f.step()
		if start := f.start(tp); start != 2 {
			t.Errorf("log start %d after its time has come", start)
		}
	})
}

// Anomaly 31: retention is unbounded, or falls behind.
func TestAnomaly31_RetentionIsBoundedAndCatchesUpWithTheLongestOverdueFirst(t *testing.T) {
	bubble(t, func(f *fixture) {
		const partitions = 300
		tp := f.topic("t", partitions, "retention.ms", "1000")
		all := func(wait time.Duration) {
			var batches []ingest.Incoming
			for p := range int32(partitions) {
				batches = append(batches, coretest.Plain(record.TopicPartition{Topic: tp.Topic, Partition: p}, "x"))
			}
			f.a.MustProduce(batches...)
			f.checkpoint()
			time.Sleep(wait)
		}
		all(time.Hour)
		f.retainer = f.retainerOf(func(s *retain.Settings) { s.LogStartsMax = 100 })
		for step, left := range []int{200, 100, 0} {
			f.Transcript()
			f.step()
			reads, writes := 0, 0
			for _, line := range f.Transcript() {
				reads += len(line) - len(strings.TrimPrefix(line, "a kv get"))
				if strings.HasPrefix(line, "a kv commit") {
					writes++
				}
			}
			if n, longest := f.retainer.Overdue(); n != left || (longest > 0) != (left > 0) || writes != 3 {
				t.Errorf("step %d: %d overdue for %v, want %d; %d transactions, want 3", step, n, longest, left, writes)
			}
		}
		late := record.TopicPartition{Topic: tp.Topic, Partition: 250}
		f.a.MustProduce(coretest.Plain(late, "late"))
		f.checkpoint()
		time.Sleep(time.Minute)
		all(10 * time.Second)
		f.retainer = f.retainerOf(func(s *retain.Settings) { s.LogStartsMax = 1 })
		f.step()
		if start := f.start(late); start != 3 {
			t.Errorf("log start %d: the longest overdue was not the first", start)
		}
	})
}

// Anomaly 30, in part: who moves a head meanwhile, and answers that are lost.
func TestRetain_AHeadThatChangesMeanwhileIsLeftForTheNextStep(t *testing.T) {
	bubble(t, func(f *fixture) {
		tp := f.topic("t", 1, "retention.ms", "1000")
		f.hourly(tp, 5)
		f.a.MustProduce(coretest.Plain(tp, "young"))
		interfere := true
		f.FaultKV(func(_ string, op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit && interfere {
				interfere = false
				head := f.Items(f.Keys.Heads())[0]
				f.Put(head.Key, head.Value) // as a checkpoint does
			}
			return coordination.Decision{}
		})
		f.step()
		if start := f.start(tp); start != 0 || interfere {
			t.Errorf("log start %d, interfered %v", start, !interfere)
		}
		f.FaultKV(func(_ string, op coordination.Op, _ string) coordination.Decision {
			if op == coordination.OpCommit {
				return coordination.Decision{Fail: coordination.FailAfter}
			}
			return coordination.Decision{}
		})
		f.step()
		f.FaultKV(nil)
		f.a.Barrier()
		if start := f.start(tp); start != 5 {
			t.Errorf("log start %d after a lost answer", start)
		}
		if got := f.a.ReadAll(tp); len(got) != 1 || got[0] != "young" {
			t.Errorf("read %q", got)
		}
		f.Walk()
	})
}

func TestRetain_AnUnreadableManifestHoldsUpItsPartitionAlone(t *testing.T) {
	bubble(t, func(f *fixture) {
		bad, good := f.topic("bad", 1, "retention.ms", "1000"), f.topic("good", 1, "retention.ms", "1000")
		f.hourly(bad, 40)
		f.hourly(good, 40)
		name := f.Walk()[bad].Manifest.Key(bad)
		f.FaultStore(func(_ string, op objectstore.Op, key string) objectstore.Decision {
			if op == objectstore.OpGet && key == name {
				return objectstore.Decision{Fail: objectstore.FailBefore, Err: errors.New("broken")}
			}
			return objectstore.Decision{}
		})
		f.retainer = f.retainerOf(func(*retain.Settings) {})
		f.step()
		if f.start(bad) != 0 || f.start(good) != 40 {
			t.Errorf("log starts %d and %d", f.start(bad), f.start(good))
		}
	})
}
