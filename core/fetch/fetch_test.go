package fetch_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

type fixture struct {
	*coretest.Cluster
	a, b *coretest.Instance
	tp   record.TopicPartition
}

// bubble runs fn with a writer a and a reader b.
func bubble(t *testing.T, fn func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, tp: record.TopicPartition{Topic: c.CreateTopic("t", 100)}}
		f.a, f.b = c.Instance("a", coretest.Options{}).Ready(), c.Instance("b", coretest.Options{}).Ready()
		synctest.Wait() // their watches are open
		fn(t, f)
	})
}

func (f *fixture) part(n int) record.TopicPartition {
	return record.TopicPartition{Topic: f.tp.Topic, Partition: int32(n)}
}

func eager(s *upkeep.Settings) { s.CheckpointAge, s.Lag = 0, 0 }

func count(lines []string, what string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, what) {
			n++
		}
	}
	return n
}

// request asks for partitions from offset 0.
func request(parts ...record.TopicPartition) fetch.Request {
	r := fetch.Request{BytesMax: 10 << 20, BytesMin: 1, WaitMax: 0}
	for _, tp := range parts {
		r.Partitions = append(r.Partitions, fetch.Partition{TopicPartition: tp, BytesMax: 1 << 20})
	}
	return r
}

func TestFetch_TheTailIsReadWithoutGETsWhereItWasWritten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for i := range 5 {
			f.a.MustProduce(coretest.Plain(f.tp, "x"), coretest.Plain(f.part(1), "y"))
			if got := coretest.Records(t, f.a.Read(f.tp, record.Offset(i)).Batches); len(got) != 1 {
				t.Fatalf("%d records", len(got))
			}
		}
		if n := count(f.Transcript(), "a store get"); n != 0 {
			t.Errorf("%d GETs, want none", n)
		}
	})
}

func TestFetch_ElsewhereASegmentIsOneGETHoweverManyReadIt(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		var in []ingest.Incoming
		var parts []record.TopicPartition
		for p := range 100 {
			in, parts = append(in, coretest.Plain(f.part(p), "x")), append(parts, f.part(p))
		}
		f.a.MustProduce(in...)
		f.b.Barrier()
		f.FaultStore(func(string, objectstore.Op, string) objectstore.Decision {
			return objectstore.Decision{Delay: time.Second}
		})
		f.Transcript()
		var readers sync.WaitGroup
		for range 10 {
			readers.Go(func() {
				for _, r := range f.b.Fetch.Fetch(t.Context(), request(parts...)) {
					if r.Err != nil || len(r.Batches) == 0 {
						t.Errorf("partition %d: %d bytes, %v", r.Partition, len(r.Batches), r.Err)
					}
				}
			})
		}
		readers.Wait()
		if n := count(f.Transcript(), "b store get"); n != 1 {
			t.Errorf("%d GETs for 10 readers of 100 partitions, want 1", n)
		}
	})
}

func TestFetch_KeepsToItsLimitsButGivesAtLeastOneBatch(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, strings.Repeat("x", 1000)), coretest.Plain(f.tp, strings.Repeat("y", 1000)), coretest.Plain(f.part(1), strings.Repeat("z", 1000)))
		batch := len(coretest.Plain(f.tp, strings.Repeat("x", 1000)).Batch)
		for name, c := range map[string]struct {
			max, partitionMax int
			want              []int // bytes of each partition
		}{
			"all":                              {1 << 20, 1 << 20, []int{2 * batch, batch}},
			"first batch is larger":            {10, 10, []int{batch, 0}},
			"zero":                             {0, 0, []int{batch, 0}},
			"one batch and a half a partition": {1 << 20, batch * 3 / 2, []int{batch, batch}},
			"two batches in all":               {batch * 2, 1 << 20, []int{2 * batch, 0}},
			"a partition with less than one":   {1 << 20, batch / 2, []int{batch, 0}},
		} {
			r := request(f.tp, f.part(1))
			r.BytesMax = c.max
			for i := range r.Partitions {
				r.Partitions[i].BytesMax = c.partitionMax
			}
			got := f.a.Fetch.Fetch(t.Context(), r)
			if len(got[0].Batches) != c.want[0] || len(got[1].Batches) != c.want[1] {
				t.Errorf("%s: %d and %d bytes, want %v", name, len(got[0].Batches), len(got[1].Batches), c.want)
			}
		}
	})
}

// Anomaly 19.
func TestAnomaly19_FromTheMiddleOfABatchTheWholeBatchComes(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "a", "b", "c"), coretest.Plain(f.tp, "d", "e", "f"))
		for from, first := range map[record.Offset]record.Offset{0: 0, 1: 0, 2: 0, 3: 3, 5: 3} {
			got := coretest.Records(t, f.a.Read(f.tp, from).Batches)
			if len(got) == 0 || got[0].Offset != first {
				t.Errorf("from %d: %+v, want the batch at %d", from, got, first)
			}
		}
	})
}

func TestAnomaly19_OutsideTheLogIsOutOfRange(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "a"), coretest.Plain(f.tp, "b"), coretest.Plain(f.tp, "c"))
		if _, err := f.a.Upkeep.DeleteRecords(t.Context(), f.tp, 2); err != nil {
			t.Fatal(err)
		}
		for _, in := range []*coretest.Instance{f.a, f.b} {
			in.Barrier()
			for _, offset := range []record.Offset{-1, 0, 1, 4, 1 << 40} {
				if r := in.Read(f.tp, offset); !errors.Is(r.Err, fetch.ErrOutOfRange) || r.HighWatermark != 3 || r.LogStart != 2 {
					t.Errorf("%s at %d: %+v", in.Name, offset, r)
				}
			}
			for _, offset := range []record.Offset{2, 3} {
				if r := in.Read(f.tp, offset); r.Err != nil {
					t.Errorf("%s at %d: %v", in.Name, offset, r.Err)
				}
			}
		}
	})
}

// lag lets an instance's watch come late by d.
func lag(f *fixture, who string, d time.Duration) {
	f.FaultKV(func(name string, op coordination.Op, _ string) coordination.Decision {
		if name == who && op == coordination.OpUpdate {
			return coordination.Decision{Delay: d}
		}
		return coordination.Decision{}
	})
}

// Anomaly 9, I11: what was acknowledged anywhere is seen through any instance, at once.
func TestAnomaly9_ReadAfterAcknowledgeOnAnInstanceThatLags(t *testing.T) {
	for name, read := range map[string]func(t *testing.T, f *fixture) error{
		"fetch at the end": func(t *testing.T, f *fixture) error {
			if r := f.b.Read(f.tp, 1); r.Err != nil || len(r.Batches) == 0 {
				return fmt.Errorf("%d bytes, %w", len(r.Batches), r.Err)
			}
			return nil
		},
		"fetch beyond what it knows": func(t *testing.T, f *fixture) error {
			return f.b.Read(f.tp, 2).Err
		},
		"bounds": func(t *testing.T, f *fixture) error {
			if b, err := f.b.Fetch.Bounds(t.Context(), f.tp); err != nil || b.HighWatermark != 2 {
				return fmt.Errorf("%+v, %w", b, err)
			}
			return nil
		},
		"by time": func(t *testing.T, f *fixture) error {
			if found, err := f.b.Fetch.AtTime(t.Context(), f.tp, time.Now().Add(-time.Minute).UnixMilli(), false); err != nil || found.Offset != 0 {
				return fmt.Errorf("%+v, %w", found, err)
			}
			return nil
		},
		"a topic made just now": func(t *testing.T, f *fixture) error {
			young := record.TopicPartition{Topic: f.CreateTopic("young", 1)}
			return f.b.Read(young, 0).Err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.a.MustProduce(coretest.Plain(f.tp, "seen"))
				f.b.Barrier()
				lag(f, "b", 100*time.Millisecond)
				f.a.MustProduce(coretest.Plain(f.tp, "new"))
				if err := read(t, f); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestFetch_WaitsForACommitOfAnotherInstanceWithoutARequest(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r := request(f.tp, f.part(1))
		r.WaitMax = time.Hour
		answer := make(chan []fetch.Result, 1)
		f.Transcript()
		go func() { answer <- f.b.Fetch.Fetch(t.Context(), r) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if lines := f.Transcript(); len(lines) != 0 {
			t.Errorf("requests while waiting: %q", lines)
		}
		start := time.Now()
		f.a.MustProduce(coretest.Plain(f.part(1), "x"))
		got := <-answer
		if len(got[1].Batches) == 0 || time.Since(start) > time.Second {
			t.Errorf("%d bytes after %v", len(got[1].Batches), time.Since(start))
		}
	})
}

func TestFetch_AnEmptyAnswerComesAtTheEndOfItsWaitBehindABarrier(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r := request(f.tp)
		r.WaitMax = 500 * time.Millisecond
		f.Transcript()
		start := time.Now()
		got := f.b.Fetch.Fetch(t.Context(), r)
		if got[0].Err != nil || len(got[0].Batches) != 0 || time.Since(start) != r.WaitMax {
			t.Errorf("%+v after %v", got[0], time.Since(start))
		}
		if n := count(f.Transcript(), "b kv get log/format"); n != 1 {
			t.Errorf("%d barriers, want 1", n)
		}
	})
}

func TestFetch_WaitsForTheMinimumOfBytes(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r := request(f.tp)
		r.WaitMax, r.BytesMin = time.Hour, 2500
		answer := make(chan []fetch.Result, 1)
		go func() { answer <- f.b.Fetch.Fetch(t.Context(), r) }()
		for i := range 3 {
			time.Sleep(time.Second)
			select {
			case <-answer:
				t.Fatalf("answered after %d of 3 batches", i)
			default:
			}
			f.a.MustProduce(coretest.Plain(f.tp, strings.Repeat("x", 1000)))
		}
		if got := <-answer; len(got[0].Batches) < 2500 {
			t.Errorf("%d bytes", len(got[0].Batches))
		}
	})
}

// Anomalies 20 and 32: a missing object is looked for once more behind a barrier, and is then the error of its
// partition alone.
func TestAnomaly32_AMissingObjectIsAnErrorOfItsPartitionAloneAndNotLoopedOn(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "gone"))
		if err := f.Disk.Delete(t.Context(), f.Objects()...); err != nil {
			t.Fatal(err)
		}
		f.a.MustProduce(coretest.Plain(f.part(1), "here"))
		f.b.Barrier()
		f.Transcript()
		got := f.b.Fetch.Fetch(t.Context(), request(f.tp, f.part(1)))
		if !errors.Is(got[0].Err, fetch.ErrStorage) {
			t.Errorf("missing: %v, want ErrStorage", got[0].Err)
		}
		if got[1].Err != nil || len(got[1].Batches) == 0 {
			t.Errorf("its neighbour: %+v", got[1])
		}
		lines := f.Transcript()
		if gets, barriers := count(lines, "b store get"), count(lines, "b kv get"); gets != 3 || barriers != 1 {
			t.Errorf("%d GETs and %d barriers, want 3 (twice the missing one) and 1", gets, barriers)
		}
	})
}

// Anomaly 32: maintenance replaced the reference between the plan and the GET.
func TestAnomaly32_AReplacedReferenceIsFollowed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "old", "old"), coretest.Plain(f.tp, "new"))
		first := f.Objects()
		f.a.MustProduce(coretest.Plain(f.tp, "newer"))
		f.b.Barrier()
		var once sync.Once
		f.FaultStore(func(who string, op objectstore.Op, key string) objectstore.Decision {
			if who == "b" && op == objectstore.OpGet && key == first[0] {
				once.Do(func() { // all before 3 is deleted while b is about to read it
					if _, err := f.a.Upkeep.DeleteRecords(t.Context(), f.tp, 3); err != nil {
						t.Error(err)
					}
					if err := f.Disk.Delete(t.Context(), first...); err != nil {
						t.Error(err)
					}
				})
			}
			return objectstore.Decision{}
		})
		if r := f.b.Read(f.tp, 0); !errors.Is(r.Err, fetch.ErrOutOfRange) {
			t.Errorf("%v, want ErrOutOfRange: the log begins at 3 now", r.Err)
		}
	})
}

func TestFetch_AStoreThatIsAwayIsUnavailableAndNoStorageError(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "x"))
		f.b.Barrier()
		f.FaultStore(func(string, objectstore.Op, string) objectstore.Decision {
			return objectstore.Decision{Fail: objectstore.FailBefore}
		})
		if r := f.b.Read(f.tp, 0); !errors.Is(r.Err, fetch.ErrUnavailable) || errors.Is(r.Err, fetch.ErrStorage) {
			t.Errorf("%v, want ErrUnavailable", r.Err)
		}
		f.FaultStore(nil)
		if r := f.b.Read(f.tp, 0); r.Err != nil {
			t.Error(r.Err)
		}
	})
}

// corrupt changes one stored byte.
func (f *fixture) corrupt(t *testing.T, key string, needle string, shift int) {
	t.Helper()
	b, err := f.Disk.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(b), needle)
	if at < 0 {
		t.Fatalf("%q is not in %s", needle, key)
	}
	b[at+shift] ^= 0x40
	if err := f.Disk.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := f.Disk.Put(t.Context(), key, b); err != nil {
		t.Fatal(err)
	}
}

// Anomaly 20.
func TestAnomaly20_OneCorruptBatchHarmsOnlyItsPartition(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		second := coretest.Plain(f.tp, "second")
		f.a.MustProduce(coretest.Plain(f.tp, "first"), second, coretest.Plain(f.tp, "third"), coretest.Plain(f.part(1), "other"))
		// The damage is in the second batch's count of records, which moves all offsets behind it.
		f.corrupt(t, f.Objects()[0], string(second.Batch[17:61]), 23-17+3)
		f.b.Barrier()
		got := f.b.Fetch.Fetch(t.Context(), request(f.tp, f.part(1)))
		if got[1].Err != nil || len(got[1].Batches) == 0 {
			t.Errorf("the other partition: %+v", got[1])
		}
		if values := coretest.Records(t, got[0].Batches); len(values) != 1 || values[0].Value != "first" {
			t.Errorf("what stands before the damage: %+v", values)
		}
		if r := f.b.Read(f.tp, 1); !errors.Is(r.Err, fetch.ErrStorage) {
			t.Errorf("at the damage: %+v, want ErrStorage", r)
		}
	})
}

// Anomaly 20, I12: a slow object delays its own partitions.
func TestAnomaly20_ASlowObjectDoesNotHoldUpThePartitionsThatHaveData(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "slow"))
		slow := f.Objects()[0]
		f.a.MustProduce(coretest.Plain(f.part(1), "fast"))
		f.b.Barrier()
		f.FaultStore(func(_ string, _ objectstore.Op, key string) objectstore.Decision {
			if key == slow {
				return objectstore.Decision{Delay: time.Minute}
			}
			return objectstore.Decision{}
		})
		f.Transcript()
		start := time.Now()
		got := f.b.Fetch.Fetch(t.Context(), request(f.tp, f.part(1)))
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %v", took)
		}
		if got[0].Err != nil || len(got[0].Batches) != 0 || len(got[1].Batches) == 0 {
			t.Errorf("slow: %+v, fast: %+v", got[0], got[1])
		}
		// Alone it is waited for, with the GET that is under way.
		if got := f.b.Fetch.Fetch(t.Context(), request(f.tp)); len(got[0].Batches) == 0 {
			t.Errorf("alone: %+v", got[0])
		}
		if n := count(f.Transcript(), "b store get"); n != 2 {
			t.Errorf("%d GETs, want 2", n)
		}
	})
}

func TestFetch_SkipsTheHolesOfRefusedBatches(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.a.Produce(coretest.Plain(f.tp, "a"), coretest.Idempotent(f.tp, 7, 0, 3, "refused"), coretest.Plain(f.tp, "b"), coretest.Idempotent(f.tp, 8, 0, 5, "refused"), coretest.Idempotent(f.tp, 9, 0, 0, "c"))
		for _, in := range []*coretest.Instance{f.a, f.b} {
			if got := in.ReadAll(f.tp); !slices.Equal(got, []string{"a", "b", "c"}) {
				t.Errorf("%s: %q", in.Name, got)
			}
		}
	})
}

func TestAtTimeAndMaxTimestamp_AcrossSegmentsAndCodecs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		now := time.Now().UnixMilli()
		for i, codec := range []record.Codec{record.CodecNone, record.CodecGzip, record.CodecZstd, record.CodecLZ4, record.CodecSnappy} {
			ms := now + int64(i)*100
			f.a.MustProduce(coretest.Batch(f.tp, record.Settings{Codec: codec}, ms, "a", "b", "c"), coretest.Batch(f.tp, record.Settings{Codec: codec}, ms+10, "d", "e"))
		}
		f.a.MustProduce(coretest.Batch(f.tp, record.Settings{}, now, "late arrival")) // offset 25
		for ms, want := range map[int64]fetch.Found{
			now - 5: {Offset: 0, Timestamp: now}, now + 2: {Offset: 2, Timestamp: now + 2}, now + 3: {Offset: 3, Timestamp: now + 10}, now + 11: {Offset: 4, Timestamp: now + 11},
			now + 12: {Offset: 5, Timestamp: now + 100}, now + 302: {Offset: 17, Timestamp: now + 302}, now + 411: {Offset: 24, Timestamp: now + 411}, now + 412: {Offset: -1, Timestamp: -1},
		} {
			for _, in := range []*coretest.Instance{f.a, f.b} {
				if got, err := in.Fetch.AtTime(t.Context(), f.tp, ms, false); err != nil || got != want {
					t.Errorf("%s at %d: %+v, %v; want %+v", in.Name, ms-now, got, err, want)
				}
			}
		}
		if got, err := f.b.Fetch.MaxTimestamp(t.Context(), f.tp); err != nil || got != (fetch.Found{Offset: 24, Timestamp: now + 411}) {
			t.Errorf("max timestamp: %+v, %v", got, err)
		}
		if _, err := f.a.Upkeep.DeleteRecords(t.Context(), f.tp, 4); err != nil {
			t.Fatal(err)
		}
		if got, err := f.b.Fetch.AtTime(t.Context(), f.tp, now, false); err != nil || got.Offset != 4 {
			t.Errorf("from the log start in the middle of a batch: %+v, %v", got, err)
		}
		if got, err := f.b.Fetch.MaxTimestamp(t.Context(), f.part(1)); err != nil || got != (fetch.Found{Offset: -1, Timestamp: -1}) {
			t.Errorf("empty partition: %+v, %v", got, err)
		}
	})
}

func TestFetch_ColdReadersDoNotPushOutTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		tp := record.TopicPartition{Topic: c.CreateTopic("t", 1)}
		a := c.Instance("a", coretest.Options{CacheBytes: 256 << 10, Upkeep: eager}).Ready()
		for range 40 { // old data: 40 segments of 20 KiB
			a.MustProduce(coretest.Plain(tp, strings.Repeat("x", 20<<10)))
		}
		a.Upkeep.Observe()
		if err := a.Upkeep.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if err := a.Upkeep.RaiseStamp(t.Context()); err != nil {
			t.Fatal(err)
		}
		tail := a.MustProduce(coretest.Plain(tp, "tail"))[0]
		b := c.Instance("b", coretest.Options{CacheBytes: 256 << 10}).Ready()
		b.Read(tp, tail)
		for range 2 {
			for _, in := range []*coretest.Instance{a, b} {
				in.ReadAll(tp)
			}
		}
		c.Transcript()
		for _, in := range []*coretest.Instance{a, b} {
			if r := in.Read(tp, tail); r.Err != nil || len(r.Batches) == 0 {
				t.Errorf("%s: %+v", in.Name, r)
			}
		}
		if n := count(c.Transcript(), "a store get") + count(c.Transcript(), "b store get"); n != 0 {
			t.Errorf("%d GETs for the tail after a backfill", n)
		}
	})
}

// Anomaly 21.
func TestAnomaly21_ATopicCreatedAgainServesNothingOfTheOldOne(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Plain(f.tp, "old"))
		f.b.ReadAll(f.tp)
		f.DeleteTopic("t", f.tp.Topic)
		again := record.TopicPartition{Topic: f.CreateTopic("t", 1)}
		for _, in := range []*coretest.Instance{f.a, f.b} {
			in.Barrier()
			if r := in.Read(f.tp, 0); !errors.Is(r.Err, fetch.ErrUnknownPartition) {
				t.Errorf("%s, the old id: %+v", in.Name, r)
			}
			if r := in.Read(again, 0); r.Err != nil || r.HighWatermark != 0 || len(r.Batches) != 0 {
				t.Errorf("%s, the new id: %+v", in.Name, r)
			}
		}
		if base := f.b.MustProduce(coretest.Plain(again, "new"))[0]; base != 0 {
			t.Errorf("base %d", base)
		}
		if got := f.a.ReadAll(again); !slices.Equal(got, []string{"new"}) {
			t.Errorf("read %q", got)
		}
	})
}

// Anomaly 22: an orphan is never served.
func TestAnomaly22_AnObjectWithoutACommitIsNeverServed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		var commits atomic.Int64
		f.FaultKV(func(who string, op coordination.Op, key string) coordination.Decision {
			if op == coordination.OpCommit && who == "a" && commits.Add(1) > 0 {
				return coordination.Decision{Fail: coordination.FailBefore}
			}
			return coordination.Decision{}
		})
		if out := f.a.Produce(coretest.Plain(f.tp, "orphan"))[0]; !errors.Is(out.Err, ingest.ErrNotAppended) {
			t.Errorf("%v, want ErrNotAppended", out.Err)
		}
		f.FaultKV(nil)
		if n := len(f.Objects()); n != 1 {
			t.Fatalf("%d objects, the test needs an orphan", n)
		}
		f.b.MustProduce(coretest.Plain(f.tp, "x"))
		if got := f.a.ReadAll(f.tp); !slices.Equal(got, []string{"x"}) {
			t.Errorf("read %q", got)
		}
	})
}
