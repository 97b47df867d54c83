package fork_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/compact"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/restore"
	"github.com/firnlog/firnlog/core/settle"

	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	mathrand "math/rand/v2"
)

// large makes objects with blocks: a batch of a MiB each.
func (f *fixture) large(name string, batches int) {
	f.t.Helper()
	for range batches {
		f.count++
		l := f.topics[name].logs[0]
		time.Sleep(10 * time.Millisecond)
		b := batchModel{base: l.next, ms: time.Now().UnixMilli(), values: []string{fmt.Sprintf("%04d%s", f.count, strings.Repeat("y", 900_000))}}
		if got := f.a.MustProduce(coretest.Plain(record.TopicPartition{Topic: f.topics[name].id}, b.values...))[0]; got != l.next {
			f.t.Fatalf("offset %d, want %d", got, l.next)
		}
		l.batches, l.next = append(l.batches, b), b.end()
	}
	time.Sleep(time.Second)
}

// A cut inside an object of several blocks: in the head, then in the manifest that the fork writes for itself.
func TestFork_EndsWithinABlockOfALargeObject(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.topic("t")
		s := settle.Settings{Store: f.a.Store, KV: f.a.KV, Keys: f.Keys, Stream: f.a.Stream, Now: f.a.Now, Log: coretest.Quiet()}.Defaults()
		s.Bytes, s.Rest, s.SpillObjects = 12_500_000, 0, 2
		f.settler = settle.New(s)
		f.large("t", 14)
		f.settle()
		if h := f.head(f.topics["t"].id, 0); len(h.Spans) != 1 || h.Spans[0].Place != ledger.InOwn {
			f.t.Fatalf("not one object of its own: %+v", h.Spans)
		}
		for i, at := range []int{40, 60, 90} {
			name := fmt.Sprintf("f%d", i)
			got := f.fork("t", name, f.topics["t"].when(at, 1))
			if got.Gets == 0 || got.BytesRead > 16<<20 {
				f.t.Errorf("%+v", got)
			}
			f.check()
			f.large(name, 14) // the fork is spilled with what it shares
			f.settle()
			if m := f.head(f.topics[name].id, 0).Manifest; m == nil || m.Owner != (record.TopicPartition{}) || m.Objects != 2 {
				f.t.Fatalf("no manifest of its own: %+v", m)
			}
		}
		f.deleteTopic("t")
		f.sweep()
		f.check()
		f.fork("f1", "g", f.topics["f1"].when(30, 1)) // of a fork, within what it shares
		f.sound()
		f.check()
		f.exact()
	})
}

// What is older than the look-back is not read, however much it is.
func TestFork_AtATimeReadsNoMoreThanTheLookBack(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.topic("t")
		for range 40 {
			for range 4 {
				f.produce("t", 0, 2, "")
			}
			time.Sleep(20 * time.Minute)
			f.settle()
		}
		f.produce("t", 0, 1, "x") // open at the time of the fork, and committed later
		time.Sleep(time.Minute)
		f.produce("t", 0, 1, "")
		at := time.Now()
		f.produce("t", 0, 1, "")
		f.end("x", true)
		f.settle()
		got := f.fork("t", "f", at)
		if got.Gets > 12 || got.Partitions[0].Aborted != 1 {
			f.t.Errorf("%+v", got)
		}
		f.check()
		f.finish()
	})
}

// A fork of a part counts that part alone against retention.bytes.
func TestFork_RetentionCountsWhatIsShared(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.topic("t", "retention.bytes", "30000")
		for range 15 {
			f.flush("t", 0, 30)
			time.Sleep(2 * time.Minute)
			f.settle()
		}
		got := f.fork("t", "f", f.topics["t"].when(25, 1))
		h := f.head(got.Topic.ID, 0)
		if h.Manifest == nil || h.Manifest.End < got.Partitions[0].End || got.Bytes > 30_000 {
			f.t.Fatalf("%+v, %+v", got, h.Manifest)
		}
		f.do(f.retainer.Step, f.retainer.Step)
		if h = f.head(f.topics["t"].id, 0); h.LogStart == 0 {
			f.t.Error("nothing of the source has expired")
		}
		delete(f.topics, "t")
		f.check()
	})
}

// compacted is what a compacted partition says of each key.
func compacted(in *coretest.Instance, tp record.TopicPartition) map[string]string {
	out := map[string]string{}
	all, _ := consume(in.T, in, tp, true)
	for _, one := range all {
		_, value, _ := strings.Cut(one, ":")
		out[value[:1]] = value
	}
	return out
}

// keyed writes records of seven keys, and notes the latest of each.
func (f *fixture) keyed(tp record.TopicPartition, rounds int, latest map[string]string) {
	f.t.Helper()
	for i := range rounds {
		f.count++
		time.Sleep(5 * time.Millisecond)
		key := fmt.Sprint(i % 7)
		latest[key] = key + fmt.Sprintf("%03d", f.count)
		b := record.NewBatch(record.Settings{})
		b.Append(time.Now().UnixMilli(), []byte(key), []byte(latest[key]+strings.Repeat("z", 60)))
		sealed, err := b.Seal()
		if err != nil {
			f.t.Fatal(err)
		}
		f.a.MustProduce(ingest.Incoming{Partition: tp, Batch: sealed})
	}
}

func TestFork_OfACompactedTopicIsCompactedOnItsOwn(t *testing.T) {
	bubble(t, func(f *fixture) {
		id := f.CreateTopic("t", 1, "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0")
		tp := record.TopicPartition{Topic: id}
		archived := archive.New(f.a.Store, archive.BytesMax)
		s := compact.Settings{Store: f.a.Store, Stream: f.a.Stream, Archive: archived, Amender: amend.New(f.a.Store, archived, f.a.Stream, f.a.KV, f.Keys), Now: f.a.Now, Log: coretest.Quiet()}.Defaults()
		s.Bytes, s.PieceBytes, s.DirtyMin = 2000, 300, 1
		compactor := compact.New(s)
		f.a.Barrier()
		latest := map[record.TopicPartition]map[string]string{tp: {}}
		write := func(tp record.TopicPartition, rounds int) { f.keyed(tp, rounds, latest[tp]) }
		work := func() {
			for range 3 {
				f.settle()
				time.Sleep(2 * time.Minute)
			}
			f.do(compactor.Run)
		}
		write(tp, 60)
		work()
		write(tp, 30)
		f.settle()
		at, then := time.Now().Add(time.Millisecond), maps.Clone(latest[tp])
		write(tp, 40)
		work()
		for i, when := range []time.Time{{}, at} {
			got := f.mustFork("t", fmt.Sprint("f", i), when)
			forked := record.TopicPartition{Topic: got}
			if latest[forked] = maps.Clone(latest[tp]); i == 1 {
				latest[forked] = map[string]string{}
				for key, value := range then { // what the source had compacted away since is not there
					if slices.Contains(slices.Collect(maps.Values(compacted(f.a, forked))), value) {
						latest[forked][key] = value
					}
				}
			}
		}
		for range 3 {
			for _, tp := range slices.SortedFunc(maps.Keys(latest), record.TopicPartition.Compare) {
				write(tp, 10)
			}
			work()
			f.sweep()
			for tp, want := range latest {
				if got := compacted(f.a, tp); !maps.Equal(got, want) {
					f.t.Errorf("%v: %v, want %v", tp.Topic, got, want)
				}
			}
			f.exact()
		}
		f.DeleteTopic("t", id)
		delete(latest, tp)
		f.a.Barrier()
		f.sweep()
		f.exact()
		for tp, want := range latest {
			if got := compacted(f.a, tp); !maps.Equal(got, want) {
				f.t.Errorf("%v, its source deleted: %v, want %v", tp.Topic, got, want)
			}
		}
	})
}

// A fork that no backup has yet is restored from the journal, which keeps the heads that it began with.
func TestFork_IsRestoredFromBackupAndJournal(t *testing.T) {
	for _, when := range []string{"journal", "backup"} {
		t.Run(when, func(t *testing.T) {
			bubble(t, func(f *fixture) {
				f.topic("t")
				keeper := backup.New(backup.Settings{Store: f.Disk, KV: f.Etcd, Cluster: "test", Now: time.Now, Entropy: mathrand.NewChaCha8([32]byte{9}), Log: coretest.Quiet(),
					JournalEvery: 10 * time.Second, BackupEvery: time.Hour, Keep: 2, LeaseTTL: 15 * time.Second, PartMax: 2000})
				f.history("t", 15)
				f.do(keeper.WriteJournal) // the first backup
				f.produce("t", 0, 2, "")
				f.fork("t", "f", time.Time{})
				f.fork("t", "g", f.topics["t"].when(50, 1))
				f.produce("f", 0, 3, "")
				f.produce("g", 1, 2, "")
				f.produce("t", 1, 2, "")
				f.do(keeper.WriteJournal)
				if when == "backup" {
					if _, err := keeper.Take(f.t.Context()); err != nil {
						f.t.Fatal(err)
					}
				}
				f.check()
				if err := f.a.Stop(); err == nil {
					f.t.Log("stopped")
				}
				f.Etcd = kvmemory.New(kvmemory.Settings{})
				r, err := restore.Prepare(f.t.Context(), restore.Settings{Store: f.Disk, KV: f.Etcd, Cluster: "test", Now: time.Now, Entropy: mathrand.NewChaCha8([32]byte{7}), Log: coretest.Quiet(), Journal: true})
				if err == nil {
					err = r.Apply(f.t.Context())
				}
				if err != nil {
					f.t.Fatal(err)
				}
				f.checkOn(f.Instance("again", coretest.Options{}).Ready())
			})
		})
	}
}
