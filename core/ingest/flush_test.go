package ingest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

type fixture struct {
	*coretest.Cluster
	a  *coretest.Instance
	tp record.TopicPartition
}

// bubble runs fn with one instance and one topic of 400 partitions, in fake time.
func bubble(t *testing.T, o coretest.Options, fn func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, tp: record.TopicPartition{Topic: c.CreateTopic("t", 400)}}
		f.a = c.Instance("a", o).Ready()
		synctest.Wait() // its watch is open
		c.Transcript()
		fn(t, f)
	})
}

func (f *fixture) part(n int) record.TopicPartition {
	return record.TopicPartition{Topic: f.tp.Topic, Partition: int32(n)}
}

// requests leaves out reads of the watch.
func (f *fixture) requests() (out []string) {
	for _, l := range f.Transcript() {
		if !strings.Contains(l, " kv progress ") {
			out = append(out, l)
		}
	}
	return out
}

func wantTranscript(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("requests:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestFlush_OfAnyNumberOfPartitionsIsOnePutAndOneCommitOfOneKey(t *testing.T) {
	for _, partitions := range []int{1, 300} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
				var in []ingest.Incoming
				for p := range partitions {
					in = append(in, coretest.Plain(f.part(p), "x"), coretest.Idempotent(f.part(p), 7, 0, 0, "y", "z"))
				}
				before := len(f.Items(f.Keys.Root()))
				f.a.MustProduce(in...)
				wantTranscript(t, f.requests(), "a store put segments/<id>", "a kv commit log/commits/<id>")
				if n := len(f.Items(f.Keys.Root())) - before; n != 1 {
					t.Errorf("%d new keys, want 1", n)
				}
			})
		})
	}
}

func TestFlush_NothingIsRequestedWhileNothingIsProduced(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		time.Sleep(time.Hour)
		wantTranscript(t, f.requests())
	})
}

// Puts overlap; commits go out in sealing order all the same.
func TestCommit_GoesOutInSealingOrderHoweverTheUploadsEnd(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		var puts, inFlight, most atomic.Int64
		f.FaultStore(func(_ string, op objectstore.Op, _ string) objectstore.Decision {
			n := puts.Add(1)
			most.Store(max(most.Load(), inFlight.Add(1)))
			time.AfterFunc(time.Duration(100-20*n)*time.Millisecond, func() { inFlight.Add(-1) })
			return objectstore.Decision{Delay: time.Duration(100-20*n) * time.Millisecond} // the first is the slowest
		})
		var pending []*ingest.Pending
		for i := range 4 {
			pending = append(pending, f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Idempotent(f.tp, 7, 0, int32(i), fmt.Sprint(i))}))
			time.Sleep(11 * time.Millisecond) // one linger: each in its own segment
		}
		for i, p := range pending {
			if out := p.Wait(t.Context())[0]; out.Err != nil || out.Base != record.Offset(i) {
				t.Errorf("batch %d: %+v", i, out)
			}
		}
		if most.Load() < 2 {
			t.Error("the uploads did not overlap")
		}
	})
}

func TestCommit_NeighboursThatAreStoredShareOneRecord(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		f.FaultKV(func(_ string, op coordination.Op, _ string) coordination.Decision {
			if op == coordination.OpCommit {
				return coordination.Decision{Delay: 100 * time.Millisecond}
			}
			return coordination.Decision{}
		})
		var pending []*ingest.Pending
		for i := range 4 {
			pending = append(pending, f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.tp, fmt.Sprint(i))}))
			time.Sleep(11 * time.Millisecond)
		}
		for i, p := range pending {
			if out := p.Wait(t.Context())[0]; out.Err != nil || out.Base != record.Offset(i) {
				t.Errorf("batch %d: %+v", i, out)
			}
		}
		if n := len(f.Items(f.Keys.Commits())); n != 2 {
			t.Errorf("%d commits, want 2: the first, and one for the three that waited", n)
		}
		if n := len(f.Objects()); n != 4 {
			t.Errorf("%d segments, want 4", n)
		}
	})
}

// failPuts lets the n-th puts fail.
func failPuts(f *fixture, failing ...int64) {
	var puts atomic.Int64
	f.FaultStore(func(_ string, op objectstore.Op, _ string) objectstore.Decision {
		if op == objectstore.OpPut && slices.Contains(failing, puts.Add(1)) {
			return objectstore.Decision{Fail: objectstore.FailBefore}
		}
		return objectstore.Decision{}
	})
}

// Anomaly 7: another flush that succeeds acknowledges nobody else's batch.
func TestAnomaly7_FailedPutFailsEveryWaiterOfThatSegmentAndNobodyElse(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		failPuts(f, 2)
		var pending [3][2]*ingest.Pending
		for i := range pending {
			for k := range pending[i] { // two requests share each segment
				pending[i][k] = f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.part(k), fmt.Sprint(i))})
			}
			time.Sleep(11 * time.Millisecond)
		}
		for i := range pending {
			for k := range pending[i] {
				out := pending[i][k].Wait(t.Context())[0]
				if failed := errors.Is(out.Err, ingest.ErrNotAppended); failed != (i == 1) || !failed && out.Err != nil {
					t.Errorf("segment %d, request %d: %v", i, k, out.Err)
				}
			}
		}
		if got := f.a.ReadAll(f.tp); !slices.Equal(got, []string{"0", "2"}) {
			t.Errorf("read %q", got)
		}
	})
}

func TestAdd_BlocksWhileMemoryIsFullAndDropsNothing(t *testing.T) {
	big := strings.Repeat("x", 40<<10)
	bubble(t, coretest.Options{MemoryMax: 100 << 10, SegmentBytes: 32 << 10, UploadsMax: 2}, func(t *testing.T, f *fixture) {
		f.FaultStore(func(_ string, op objectstore.Op, _ string) objectstore.Decision {
			if op == objectstore.OpPut {
				return objectstore.Decision{Delay: time.Minute}
			}
			return objectstore.Decision{}
		})
		var added atomic.Int64
		done := make(chan ingest.Outcome, 6)
		for range 6 {
			go func() {
				p := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.tp, big)})
				added.Add(1)
				done <- p.Wait(t.Context())[0]
			}()
		}
		synctest.Wait()
		if n := added.Load(); n != 2 {
			t.Errorf("%d batches of 40 KiB taken with memory for two", n)
		}
		for range 6 {
			if out := <-done; out.Err != nil {
				t.Error(out.Err)
			}
		}
		if got := f.a.ReadAll(f.tp); len(got) != 6 {
			t.Errorf("%d records, want 6", len(got))
		}
	})
}

func TestAdd_GivesUpWaitingForMemoryWithItsContext(t *testing.T) {
	bubble(t, coretest.Options{MemoryMax: 1000}, func(t *testing.T, f *fixture) {
		f.FaultStore(func(string, objectstore.Op, string) objectstore.Decision {
			return objectstore.Decision{Delay: time.Hour}
		})
		first := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.tp, strings.Repeat("x", 600))})
		ctx, cancel := contextFor(t, time.Second)
		defer cancel()
		out := f.a.Ingest.Add(ctx, []ingest.Incoming{coretest.Plain(f.tp, strings.Repeat("x", 600))}).Wait(t.Context())[0]
		if !errors.Is(out.Err, ingest.ErrNotAppended) {
			t.Errorf("%v, want ErrNotAppended", out.Err)
		}
		if out := f.a.Produce(coretest.Plain(f.tp, strings.Repeat("x", 2000)))[0]; !errors.Is(out.Err, record.ErrTooLarge) {
			t.Errorf("larger than all memory: %v, want ErrTooLarge at once", out.Err)
		}
		if out := first.Wait(t.Context())[0]; out.Err != nil {
			t.Error(out.Err)
		}
	})
}

func TestDrain_FlushesWhatIsThereAndRefusesTheRest(t *testing.T) {
	bubble(t, coretest.Options{Linger: time.Hour}, func(t *testing.T, f *fixture) {
		p := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.tp, "x")})
		start := time.Now()
		if err := f.a.Ingest.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if out := p.Wait(t.Context())[0]; out.Err != nil || time.Since(start) > time.Second {
			t.Errorf("%+v after %v", out, time.Since(start))
		}
		if out := f.a.Produce(coretest.Plain(f.tp, "y"))[0]; !errors.Is(out.Err, ingest.ErrNotAppended) {
			t.Errorf("after Drain: %v, want ErrNotAppended", out.Err)
		}
	})
}

// The bubble itself fails the test when a goroutine is left.
func TestRun_StoppedInTheMiddleAnswersEverybodyAndLeavesNothingBehind(t *testing.T) {
	for name, slow := range map[string]bool{"in the put": true, "in the commit": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, coretest.Options{MemoryMax: 300}, func(t *testing.T, f *fixture) {
				if slow {
					f.FaultStore(func(string, objectstore.Op, string) objectstore.Decision {
						return objectstore.Decision{Delay: time.Hour}
					})
				} else {
					f.FaultKV(func(_ string, op coordination.Op, _ string) coordination.Decision {
						if op == coordination.OpCommit {
							return coordination.Decision{Fail: coordination.FailLate}
						}
						return coordination.Decision{}
					})
				}
				outcomes := make(chan ingest.Outcome, 8)
				for i := range 8 { // more than there is memory for
					go func() { outcomes <- f.a.Produce(coretest.Plain(f.part(i), "x"))[0] }()
				}
				time.Sleep(time.Second)
				f.a.Stop()
				for range 8 {
					out := <-outcomes
					if !errors.Is(out.Err, ingest.ErrNotAppended) && !errors.Is(out.Err, ingest.ErrUnknown) {
						t.Errorf("%v", out.Err)
					}
				}
				if err := f.a.Ingest.Drain(t.Context()); err != nil {
					t.Errorf("Drain after the end: %v", err)
				}
			})
		})
	}
}

// The commit record stays far below etcd's 1.5 MiB, however small and many the batches are.
func TestFlush_ManySmallBatchesAreSplitOverSeveralSegments(t *testing.T) {
	bubble(t, coretest.Options{SegmentBytes: 64 << 20}, func(t *testing.T, f *fixture) {
		var in []ingest.Incoming
		for i := range 12_000 {
			in = append(in, coretest.Idempotent(f.part(i%400), record.ProducerID(1<<60+int64(i)), 30_000, 0, "x"))
		}
		largest := 0
		f.a.MustProduce(in...)
		for _, it := range f.Items(f.Keys.Commits()) {
			largest = max(largest, len(it.Value))
			if _, err := ledger.DecodeCommit(it.Value); err != nil {
				t.Error(err)
			}
		}
		if largest > ledger.CommitBytesMax || largest == 0 {
			t.Errorf("largest commit record: %d bytes, want at most %d", largest, ledger.CommitBytesMax)
		}
		if n := len(f.Objects()); n < 3 {
			t.Errorf("%d segments", n)
		}
	})
}
