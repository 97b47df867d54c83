package infra_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/maintain"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/sweep"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/objectstore"
)

// prefixes are all there are in a bucket, and one that is not firnlog's.
func prefixes() []string {
	return []string{ledger.SegmentPrefix, ledger.SettledPrefix, ledger.ColdPrefix, ledger.ManifestPrefix, backup.JournalPrefix, backup.RootPrefix, sweep.DocketPrefix, "other/"}
}

// recording is what each role asked of the bucket: "role op prefix".
type recording struct {
	mu   sync.Mutex
	seen map[string]bool
	lose int // so many answers to puts of the producer
}

func (r *recording) has(role, op, prefix string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[role+" "+op+" "+prefix]
}

// prefixes that any role has used with op.
func (r *recording) prefixes(op string) (out []string) {
	for _, p := range prefixes() {
		if r.has("producer", op, p) || r.has("maintenance", op, p) || r.has("consumer", op, p) {
			out = append(out, p)
		}
	}
	return out
}

// note records a request; some lose their answers.
func (r *recording) note(who string, op objectstore.Op, key string) objectstore.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	role, _, _ := strings.Cut(who, "-")
	prefix, _, _ := strings.Cut(key, "/")
	r.seen[fmt.Sprintf("%s %s %s/", role, op, prefix)] = true
	if role == "producer" && op == objectstore.OpPut && r.lose > 0 {
		r.lose--
		return objectstore.Decision{Fail: objectstore.FailAfter}
	}
	return objectstore.Decision{}
}

// recorded lets the functions do all they do, in a cluster without brokers, and gives what they asked of the bucket.
func recorded(t *testing.T) *recording {
	t.Helper()
	r := &recording{seen: map[string]bool{}, lose: 3}
	synctest.Test(t, func(t *testing.T) {
		w := &life{Cluster: coretest.NewCluster(t), t: t, recording: r}
		w.FaultStore(r.note)
		w.live()
	})
	return r
}

// life is a cluster over some days, of functions alone.
type life struct {
	*coretest.Cluster
	*recording
	t          *testing.T
	maintainer *maintain.Maintainer
	producer   *invoke.Environment
	topics     []string
	ids        []record.TopicID
	count      int
}

// environment is a function's, as functions/place puts it together.
func (w *life) environment(name string) *invoke.Environment {
	kv, store, entropy := w.Reach(name)
	return invoke.New(invoke.Settings{
		Store: retried(store), KV: kv, Cluster: "test", Now: time.Now, Entropy: entropy, Log: coretest.Quiet(), Margin: time.Second, CacheBytes: 16 << 10,
		Topics: topic.DefaultSettings(), NewTopicID: func() (id record.TopicID) { w.count++; id[3] = byte(w.count); return id },
		MayBegin: func(context.Context) error { return nil },
	})
}

func retried(store objectstore.Store) objectstore.Store {
	return objectstore.NewRetry(store, objectstore.DefaultRetryPolicy(), objectstore.SystemClock(), func() float64 { return .5 })
}

// live makes topics, and writes, reads and maintains for as long as it takes until nothing new is asked for.
func (w *life) live() {
	w.producer = w.environment("producer")
	w.createTopics()
	kv, store, entropy := w.Reach("maintenance")
	s := maintain.Settings{
		Store: retried(store), KV: kv, Cluster: "test", Now: time.Now, Entropy: entropy, Random: rand.New(rand.NewPCG(1, 2)).Float64, Log: coretest.Quiet(), Holder: "test", Elsewhere: true,
	}.Defaults()
	s.SettleBytes, s.SettleAge, s.CompactKeys = 4<<10, time.Minute, 4<<10
	s.BackupEvery, s.BackupKeep, s.BackupKeepFor, s.SweepEvery, s.SettledEvery, s.ScrubRate = 30*time.Minute, 1, time.Hour, 20*time.Minute, time.Hour, 1<<10
	w.maintainer = maintain.New(s, "test")
	for hour := range 60 {
		for range 4 {
			w.write()
			if hour%10 == 0 {
				w.read("consumer-early")
			}
			time.Sleep(15 * time.Minute)
			w.maintain()
		}
		if hour%10 == 9 {
			w.read(fmt.Sprint("consumer-", hour))
		}
	}
}

func (w *life) createTopics() {
	admin := w.environment("admin")
	for name, configs := range map[string]map[string]string{
		"plain":   {"retention.ms": "172800000"},
		"cold":    {"firnlog.cold.after.ms": "7200000", "retention.ms": "86400000"},
		"compact": {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"},
	} {
		ctx, done, err := admin.Begin(w.t.Context(), stream.Need{AllTopics: true})
		if err != nil {
			w.t.Fatal(err)
		}
		made, err := admin.Admin.Create(ctx, topic.Spec{Name: name, Partitions: 2, ReplicationFactor: 1, Configs: configs}, false)
		done()
		admin.End()
		if err != nil {
			w.t.Fatal(err)
		}
		w.topics, w.ids = append(w.topics, name), append(w.ids, made.ID)
	}
}

// write is an invocation that writes to every partition.
func (w *life) write() {
	w.t.Helper()
	w.invoke(w.producer, func(ctx context.Context, e *invoke.Environment) {
		var batches []ingest.Incoming
		for _, id := range w.ids {
			for p := range int32(2) {
				batches = append(batches, coretest.Plain(record.TopicPartition{Topic: id, Partition: p}, strings.Repeat("x", 2000)))
			}
		}
		for _, out := range e.Ingest.Add(ctx, batches).Wait(ctx) {
			if out.Err != nil {
				w.t.Fatal(out.Err)
			}
		}
	})
}

// read is a cold function that reads everything there is.
func (w *life) read(name string) {
	w.t.Helper()
	e := w.environment(name)
	for _, id := range w.ids {
		for p := range int32(2) {
			w.invoke(e, func(ctx context.Context, e *invoke.Environment) {
				w.readAll(ctx, e, record.TopicPartition{Topic: id, Partition: p})
			})
		}
	}
}

func (w *life) readAll(ctx context.Context, e *invoke.Environment, tp record.TopicPartition) {
	at := record.Offset(0)
	for {
		got := e.Reader.Fetch(ctx, fetch.Request{Partitions: []fetch.Partition{{TopicPartition: tp, Offset: at, BytesMax: 1 << 20}}, BytesMax: 1 << 20})[0]
		if got.Err != nil {
			if at < got.LogStart {
				at = got.LogStart
				continue
			}
			w.t.Fatalf("read %v from %d: %v", tp, at, got.Err)
		}
		records := coretest.Records(w.t, got.Batches)
		if len(records) == 0 {
			return
		}
		at = records[len(records)-1].Offset + 1
	}
}

func (w *life) invoke(e *invoke.Environment, work func(context.Context, *invoke.Environment)) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	need := stream.Need{Topics: w.topics, Partitions: map[string][]int32{}}
	for _, name := range w.topics {
		need.Partitions[name] = []int32{0, 1}
	}
	ctx, done, err := e.Begin(ctx, need)
	if err != nil {
		w.t.Fatal(err)
	}
	defer done()
	defer e.End()
	work(ctx, e)
}

// maintain is an invocation of the schedule.
func (w *life) maintain() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	report, err := w.maintainer.Visit(ctx)
	if err != nil || len(report.Failed) > 0 {
		w.t.Fatalf("maintenance: %v, %v", err, report.Failed)
	}
}

// of lists the prefixes of a role's requests.
func (r *recording) of(role, op string) (out []string) {
	for _, p := range prefixes() {
		if r.has(role, op, p) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}
