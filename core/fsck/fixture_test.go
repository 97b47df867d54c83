package fsck_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/core/upkeep"
)

// fixture is a cluster with something of everything: partition 0 has a manifest with pages, 1 and 2 share objects and have transactions,
// 3 is in segments alone, and not all of it is checkpointed.
type fixture struct {
	*coretest.Cluster
	t       *testing.T
	a       *coretest.Instance
	topic   record.TopicID
	settler *settle.Settler
	keeper  *backup.Keeper
	txn     txn.Identity
	sent    map[int32]int32 // sequences of the transactional producer, by partition
}

func bubble(t *testing.T, fn func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, t: t, topic: c.CreateTopic("t", 5), sent: map[int32]int32{}}
		f.a = c.Instance("a", coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge, s.Lag, s.SweepGrace = 0, 0, 0 }}).Ready()
		s := settle.Settings{Store: f.a.Store, KV: f.a.KV, Keys: f.Keys, Stream: f.a.Stream, Now: f.a.Now, Log: coretest.Quiet()}.Defaults()
		s.Bytes, s.Age, s.Rest, s.SegmentsMax = 600, time.Minute, 0, 12
		s.FanIn, s.SpansMax, s.SpillObjects = 3, 8, 3
		f.settler = settle.New(s)
		f.keeper = backup.New(backup.Settings{
			Store: c.Disk, KV: c.Etcd, Cluster: "test", Now: time.Now, Entropy: rand.NewChaCha8([32]byte{9}), Log: coretest.Quiet(),
			JournalEvery: 10 * time.Second, BackupEvery: time.Hour, Keep: 2, LeaseTTL: 15 * time.Second, PartMax: 2000,
		})
		f.fill()
		fn(t, f)
	})
}

func (f *fixture) tp(p int32) record.TopicPartition {
	return record.TopicPartition{Topic: f.topic, Partition: p}
}

func (f *fixture) do(step func(context.Context) error) {
	f.t.Helper()
	if err := step(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) checkpoint() {
	f.t.Helper()
	f.a.Upkeep.Observe()
	f.do(f.a.Upkeep.Checkpoint)
}

func (f *fixture) fill() {
	f.t.Helper()
	var err error
	if f.txn, err = f.a.Txns.Init(f.t.Context(), "app", 60_000, txn.Identity{Producer: -1, Epoch: -1}); err != nil {
		f.t.Fatal(err)
	}
	for round := range 280 {
		f.a.MustProduce(coretest.Plain(f.tp(0), strings.Repeat("x", 600), fmt.Sprint(round)))
		if round%40 == 0 {
			f.transaction(round%80 == 0)
			f.a.MustProduce(coretest.Idempotent(f.tp(2), 7000, 0, int32(round/40), "i"))
		}
		if round%10 == 9 {
			f.checkpoint()
			f.do(f.settler.Run)
		}
		if round == 99 {
			f.do(f.keeper.WriteJournal) // takes the first backup
		}
	}
	time.Sleep(2 * time.Minute)
	f.do(f.settler.Run)
	f.a.MustProduce(coretest.Plain(f.tp(3), "covered", "by its head"))
	f.checkpoint()
	f.transaction(true)
	f.a.MustProduce(coretest.Plain(f.tp(3), "not covered"))
	f.do(f.keeper.WriteJournal)
	f.Put(f.Keys.ProducersNext(), []byte("8000"))
}

// transaction writes one to partitions 1 and 2.
func (f *fixture) transaction(commit bool) {
	f.t.Helper()
	f.open()
	next, err := f.a.Txns.End(f.t.Context(), "app", f.txn, commit, true)
	if err != nil {
		f.t.Fatal(err)
	}
	if next.Epoch != f.txn.Epoch {
		f.sent = map[int32]int32{}
	}
	f.txn = next
}

// open begins a transaction and leaves it open.
func (f *fixture) open() {
	f.t.Helper()
	for p := int32(1); p < 3; p++ {
		f.a.MustProduce(coretest.Transactional("app", f.tp(p), f.txn.Producer, f.txn.Epoch, f.sent[p], "of a transaction"))
		f.sent[p]++
	}
}

func (f *fixture) check(deep bool) *fsck.Report {
	f.t.Helper()
	report, err := f.checker(deep).Check(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return report
}

func (f *fixture) checker(deep bool) *fsck.Checker {
	return fsck.New(fsck.Settings{Store: f.Disk, KV: f.Etcd, Cluster: "test", Now: time.Now, Log: coretest.Quiet(), Deep: deep})
}

// head changes one in etcd.
func (f *fixture) head(p int32, change func(h *ledger.Head)) {
	f.t.Helper()
	key := f.Keys.Head(f.topic, p)
	h, err := ledger.DecodeHead(f.Items(key)[0].Value)
	if err != nil {
		f.t.Fatal(err)
	}
	change(h)
	f.Put(key, h.Encode())
}

// object gives the first key of an object below a prefix.
func (f *fixture) object(prefix string) string {
	f.t.Helper()
	list, err := f.Disk.List(f.t.Context(), prefix, "", 10)
	if err != nil || len(list) == 0 {
		f.t.Fatalf("no object below %s: %v", prefix, err)
	}
	return list[0].Key
}

// used gives an object of a place that partition p refers to.
func (f *fixture) used(p int32, place ledger.Place) (key string, s ledger.Span) {
	f.t.Helper()
	w := f.Walk()[f.tp(p)]
	for _, s := range slices.Concat(w.Listed, w.Spans) {
		if s.Inline == nil && s.Place == place {
			return s.Key(f.tp(p)), s
		}
	}
	f.t.Fatalf("partition %d has nothing in place %d: %+v", p, place, w.Spans)
	return "", s
}

// rewrite changes the bytes of an object.
func (f *fixture) rewrite(key string, change func([]byte) []byte) {
	f.t.Helper()
	b, err := f.Disk.Get(f.t.Context(), key, 0, -1)
	if err == nil {
		err = f.Disk.Delete(f.t.Context(), key)
	}
	if err == nil {
		err = f.Disk.Put(f.t.Context(), key, change(slices.Clone(b)))
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) remove(key string) {
	f.t.Helper()
	if err := f.Disk.Delete(f.t.Context(), key); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) put(key string, body []byte) {
	f.t.Helper()
	if err := f.Disk.Put(f.t.Context(), key, body); err != nil {
		f.t.Fatal(err)
	}
}

// oneMore is a batch for partition 3.
func oneMore(f *fixture) ingest.Incoming { return coretest.Plain(f.tp(3), "one more") }
