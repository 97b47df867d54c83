package fetch_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
