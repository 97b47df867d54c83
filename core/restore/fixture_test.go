package restore_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/restore"
	"github.com/firnlog/firnlog/core/upkeep"
)

// world is a cluster that can lose its etcd.
type world struct {
	*coretest.Cluster
	keeper *backup.Keeper
	lives  int
}

func newWorld(t *testing.T) *world {
	w := &world{Cluster: coretest.NewCluster(t)}
	w.keeper = w.newKeeper(1)
	return w
}

func (w *world) newKeeper(seed byte) *backup.Keeper {
	return backup.New(backup.Settings{
		Store: w.Disk, KV: w.Etcd, Cluster: "test", Now: time.Now, Entropy: rand.NewChaCha8([32]byte{seed, 9}), Log: coretest.Quiet(), Holder: "test",
		JournalEvery: 10 * time.Second, BackupEvery: time.Hour, Keep: 2, KeepFor: 0, LeaseTTL: 15 * time.Second, PartMax: 2000,
	})
}

// eager waits for nothing before it covers, trims and raises.
func eager(s *upkeep.Settings) { s.CheckpointAge, s.Lag, s.SweepGrace = 0, 0, 0 }

// instance starts one whose maintenance goes by steps, and whose sweep knows of the backups.
func (w *world) instance(name string) *coretest.Instance {
	w.T.Helper()
	in := w.Instance(name, coretest.Options{Upkeep: func(s *upkeep.Settings) {
		eager(s)
		s.Retained = func(ctx context.Context, refer func(coordination.Item) error) error {
			return w.keeper.Retained(ctx, refer)
		}
		s.Outlived = func(ctx context.Context, since, floor coordination.Mark) ([]string, error) {
			return w.keeper.Outlived(ctx, since, floor)
		}
	}}).Ready()
	synctest.Wait() // its watch is open
	return in
}

func (w *world) journal() {
	w.T.Helper()
	if err := w.keeper.WriteJournal(w.T.Context()); err != nil {
		w.T.Fatal(err)
	}
}

func (w *world) backup() {
	w.T.Helper()
	if _, err := w.keeper.Take(w.T.Context()); err != nil {
		w.T.Fatal(err)
	}
}

// maintain takes steps of an instance.
func (w *world) maintain(in *coretest.Instance, steps ...func(context.Context) error) {
	w.T.Helper()
	in.Barrier()
	in.Upkeep.Observe()
	for i, s := range steps {
		if err := s(w.T.Context()); err != nil {
			w.T.Fatalf("%s, step %d: %v", in.Name, i, err)
		}
	}
}

// pass raises stamp and floor beyond all ids drawn so far.
func (w *world) pass(in *coretest.Instance) {
	w.T.Helper()
	time.Sleep(2 * time.Second)
	w.maintain(in, in.Upkeep.RaiseStamp)
	time.Sleep(time.Second)
	w.maintain(in, in.Upkeep.RaiseStamp, in.Upkeep.RaiseFloor)
}

func (w *world) settings() restore.Settings {
	w.lives++
	return restore.Settings{
		Store: w.Disk, KV: w.Etcd, Cluster: "test", Now: time.Now, Entropy: rand.NewChaCha8([32]byte{byte(w.lives), 7}), Log: coretest.Quiet(), Journal: true,
	}
}

// lose replaces etcd by an empty one. Instances must have been stopped.
func (w *world) lose() {
	w.Etcd = kvmemory.New(kvmemory.Settings{})
	w.keeper = w.newKeeper(byte(10 + w.lives))
}

// restore rebuilds etcd and gives the report.
func (w *world) restore() restore.Report {
	w.T.Helper()
	r, err := restore.Prepare(w.T.Context(), w.settings())
	if err == nil {
		err = r.Apply(w.T.Context())
	}
	if err != nil {
		w.T.Fatal(err)
	}
	return r.Report
}

// others is what etcd holds beside the log and leased keys.
func (w *world) others() map[string]string {
	w.T.Helper()
	out := map[string]string{}
	for _, it := range w.Items(w.Keys.Root()) {
		key := strings.TrimPrefix(it.Key, w.Keys.Root())
		if !strings.HasPrefix(key, "log/") && !backup.IsLeased(key) && !strings.HasPrefix(key, "transactions/") && key != "producers/next" && !strings.Contains(key, "/pending/") {
			out[key] = string(it.Value)
		}
	}
	return out
}

func (w *world) wantOthers(want map[string]string) {
	w.T.Helper()
	if got := w.others(); !maps.Equal(got, want) {
		w.T.Errorf("beside the log etcd holds %v, want %v", got, want)
	}
}

// values reads a partition: values by offset, without control batches. committed: what read_committed keeps.
func values(in *coretest.Instance, tp record.TopicPartition, committed bool) map[record.Offset]string {
	in.T.Helper()
	out := map[record.Offset]string{}
	in.Barrier()
	bounds, err := in.Fetch.Bounds(in.T.Context(), tp)
	if err != nil {
		in.T.Fatalf("%s: bounds: %v", in.Name, err)
	}
	end := bounds.HighWatermark
	if committed {
		end = bounds.LastStable
	}
	for at := bounds.LogStart; at < end; {
		r := in.Fetch.Fetch(in.T.Context(), fetch.Request{
			// One batch at a time: the aborted transactions in the answer are those that overlap it.
			Partitions: []fetch.Partition{{TopicPartition: tp, Offset: at, BytesMax: 1}}, BytesMax: 1, ReadCommitted: committed,
		})[0]
		if r.Err != nil || len(r.Batches) == 0 {
			in.T.Fatalf("%s: read %d at %d of %d: %d bytes, %v", in.Name, tp.Partition, at, end, len(r.Batches), r.Err)
		}
		for b, err := range record.Batches(r.Batches) {
			if err != nil {
				in.T.Fatal(err)
			}
			h, err := record.Check(b)
			if err != nil {
				in.T.Fatal(err)
			}
			if at < h.BaseOffset {
				in.T.Fatalf("%s: offset %d follows %d", in.Name, h.BaseOffset, at-1)
			}
			at = h.LastOffset() + 1
			if !h.IsControl() && !(committed && aborted(h, r.Aborted)) {
				for _, rec := range coretest.Records(in.T, b) {
					if rec.Offset >= bounds.LogStart {
						out[rec.Offset] = rec.Value
					}
				}
			}
		}
	}
	return out
}

func aborted(h record.Header, list []fetch.Aborted) bool {
	for _, a := range list {
		if h.IsTransactional() && a.Producer == h.Producer && a.First <= h.BaseOffset {
			return true
		}
	}
	return false
}

// segments lists the segments in the bucket.
func (w *world) segments() (out []ulid.ULID) {
	w.T.Helper()
	for _, key := range w.Objects() {
		id, err := ledger.ParseSegmentKey(key)
		if err != nil {
			w.T.Fatal(err)
		}
		out = append(out, id)
	}
	return out
}
