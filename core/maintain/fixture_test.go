package maintain_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/maintain"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/topic"
)

// world is a cluster without any broker: a bucket, etcd, and functions that are cold each time.
type world struct {
	*coretest.Cluster
	t    *testing.T
	born int
	// change alters the settings of every visit.
	change func(*maintain.Settings)
	// sent are the values acknowledged, by partition.
	sent      map[record.TopicPartition][]string
	compacted []coordination.Revision // what etcd was at, minute by minute
}

func newWorld(t *testing.T) *world {
	w := &world{Cluster: coretest.NewCluster(t), t: t, sent: map[record.TopicPartition][]string{}}
	w.produce("none") // the first invocation begins the cluster
	return w
}

func (w *world) name(kind string) string {
	w.born++
	return fmt.Sprint(kind, w.born)
}

// produce is one cold invocation that writes batches; none only begins.
func (w *world) produce(topicName string, batches ...ingest.Incoming) []ingest.Outcome {
	w.t.Helper()
	kv, store, entropy := w.Reach(w.name("p"))
	e := invoke.New(invoke.Settings{
		Store: store, KV: kv, Cluster: "test", Now: time.Now, Entropy: entropy, Log: coretest.Quiet(), Margin: time.Second, CacheBytes: 4 << 20,
		Topics: topic.DefaultSettings(), NewTopicID: func() (id record.TopicID) { id[3] = 7; return id },
		MayBegin: func(context.Context) error { return nil },
	})
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	ctx, done, err := e.Begin(ctx, stream.Need{Topics: []string{topicName}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer done()
	defer e.End()
	if len(batches) == 0 {
		return nil
	}
	return e.Ingest.Add(ctx, batches).Wait(ctx)
}

// write sends values to a partition, and keeps what was acknowledged.
func (w *world) write(topicName string, tp record.TopicPartition, values ...string) {
	w.t.Helper()
	for _, out := range w.produce(topicName, coretest.Plain(tp, values...)) {
		if out.Err != nil {
			w.t.Fatalf("produce: %v", out.Err)
		}
		if int(out.Base) != len(w.sent[tp]) {
			w.t.Fatalf("base offset %d, want %d", out.Base, len(w.sent[tp]))
		}
	}
	w.sent[tp] = append(w.sent[tp], values...)
}

// maintainer is one whose environment is cold.
func (w *world) maintainer(name string) *maintain.Maintainer {
	kv, store, entropy := w.Reach(name)
	s := maintain.Settings{
		Store: store, KV: kv, Cluster: "test", Now: time.Now, Entropy: entropy, Random: rand.Float64, Log: coretest.Quiet(), Holder: name,
	}.Defaults()
	s.SettleBytes = 16 << 10
	if w.change != nil {
		w.change(&s)
	}
	return maintain.New(s, name)
}

// visit is one cold invocation with so much time; it must not take longer.
func (w *world) visit(most time.Duration) *maintain.Report {
	w.t.Helper()
	r, err := w.try(w.name("m"), most)
	if err != nil {
		w.t.Fatalf("visit: %v: %+v", err, r)
	}
	return r
}

func (w *world) try(name string, most time.Duration) (*maintain.Report, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), most)
	defer cancel()
	began := time.Now()
	r, err := w.maintainer(name).Visit(ctx)
	if took := time.Since(began); took > most {
		w.t.Errorf("a visit of %v took %v: %+v", most, took, r)
	}
	return r, err
}

// minute lets one pass, with what etcd compacts by itself: history of five minutes stays.
func (w *world) minute() {
	time.Sleep(time.Minute)
	snap, err := w.Etcd.Get(w.t.Context(), w.Keys.Format())
	if err != nil {
		w.t.Fatal(err)
	}
	if w.compacted = append(w.compacted, snap.Revision); len(w.compacted) > 5 {
		if at := w.compacted[0]; at > w.compacted[0]-1 && at < snap.Revision {
			_ = w.Etcd.Compact(w.t.Context(), at) // compacted before: nothing was written since
		}
		w.compacted = w.compacted[1:]
	}
	w.Transcript()
}

// keys counts what etcd holds, by family.
func (w *world) keys() (n, bytes int) {
	for _, it := range w.Items(w.Keys.Root()) {
		n, bytes = n+1, bytes+len(it.Key)+len(it.Value)
	}
	return n, bytes
}

// objects counts those below a prefix.
func (w *world) objects(prefix string) (n int) {
	for after := ""; ; {
		list, err := w.Disk.List(context.Background(), prefix, after, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		n += len(list)
		if len(list) < 1000 {
			return n
		}
		after = list[len(list)-1].Key
	}
}

// readsAll reads a partition by a fresh reader: from where it begins, it is what was acknowledged.
func (w *world) readsAll(tp record.TopicPartition) (start int) {
	w.t.Helper()
	in := w.Instance(w.name("r"), coretest.Options{}).Ready()
	defer in.Stop()
	in.Barrier()
	got := in.ReadAll(tp)
	want := w.sent[tp]
	if len(got) > len(want) {
		w.t.Fatalf("%v: %d records, acknowledged were %d", tp, len(got), len(want))
	}
	start = len(want) - len(got)
	for i := range got {
		if got[i] != want[start+i] {
			w.t.Fatalf("%v: record %d is %.40q, acknowledged was %.40q", tp, start+i, got[i], want[start+i])
		}
	}
	return start
}

// clean reads everything that is stored.
func (w *world) clean() {
	w.t.Helper()
	r, err := fsck.New(fsck.Settings{Store: w.Disk, KV: w.Etcd, Cluster: "test", Now: time.Now, Log: coretest.Quiet(), Deep: true}).Check(w.t.Context())
	if err != nil {
		w.t.Fatalf("fsck: %v", err)
	}
	for _, f := range r.Findings {
		if f.Severity == fsck.Error {
			w.t.Errorf("fsck: %s %s %s", f.Kind, f.Where, f.What)
		}
	}
}
