package fetch_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

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

// A backfill of many partitions, each in a segment of its own, must not hold them all in memory at once.
func TestFetch_LoadsAFewObjectsAtATimeAndComesToTheRestLater(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		var parts []record.TopicPartition
		for n := range 20 {
			parts = append(parts, f.part(n))
			f.a.MustProduce(coretest.Plain(f.part(n), "of a segment of its own"))
		}
		gets := func() int { return count(f.Transcript(), "b store get") }
		f.Transcript()
		answered := map[record.TopicPartition]bool{}
		for rounds := 1; len(answered) < len(parts); rounds++ {
			before := len(answered)
			for _, r := range f.b.Fetch.Fetch(t.Context(), request(parts...)) {
				if r.Err != nil {
					t.Fatal(r.Err)
				}
				if len(r.Batches) > 0 {
					answered[r.TopicPartition] = true
				}
			}
			if n := gets(); n > 8 {
				t.Fatalf("%d GETs for one fetch", n)
			}
			if len(answered) == before || rounds > 3 {
				t.Fatalf("%d partitions answered after %d rounds", len(answered), rounds)
			}
		}
	})
}
