package fork_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/chill"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fork"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/retain"
	"github.com/firnlog/firnlog/core/settle"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/core/upkeep"
)

// fixture is an instance with all of its maintenance, and a model of what its topics hold.
type fixture struct {
	*coretest.Cluster
	t        *testing.T
	a        *coretest.Instance
	forker   *fork.Forker
	settler  *settle.Settler
	retainer *retain.Retainer
	chiller  *chill.Chiller
	topics   map[string]*topicModel
	txns     map[string]*txnModel // open ones, by transactional id
	who      map[string]txn.Identity
	count    int
}

const partitions = 2

func bubble(t *testing.T, fn func(f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		f := &fixture{Cluster: c, t: t, topics: map[string]*topicModel{}, txns: map[string]*txnModel{}, who: map[string]txn.Identity{}}
		f.a = c.Instance("a", coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge, s.Lag, s.SweepGrace = 0, 0, 0 }}).Ready()
		f.forker = f.forkerOf(f.a)
		s := settle.Settings{Store: f.a.Store, KV: f.a.KV, Keys: c.Keys, Stream: f.a.Stream, Now: f.a.Now, Log: coretest.Quiet()}.Defaults()
		s.Bytes, s.Age, s.Rest, s.SegmentsMax = 1500, time.Minute, 0, 6
		s.FanIn, s.SpansMax, s.SpillObjects = 2, 4, 2
		s.PieceBytes, s.AheadBytes, s.LoadsMax = 700, 2000, 3
		f.settler = settle.New(s)
		archived := archive.New(f.a.Store, archive.BytesMax)
		amender := amend.New(f.a.Store, archived, f.a.Stream, f.a.KV, c.Keys)
		r := retain.Settings{KV: f.a.KV, Keys: c.Keys, Stream: f.a.Stream, Archive: archived, Amender: amender, Now: f.a.Now, Log: coretest.Quiet()}.Defaults()
		r.DeadMax = 1
		f.retainer = retain.New(r)
		f.chiller = chill.New(chill.Settings{Store: f.a.Store, Stream: f.a.Stream, Archive: archived, Amender: amender, Now: f.a.Now, Log: coretest.Quiet()}.Defaults())
		fn(f)
	})
}

func (f *fixture) forkerOf(in *coretest.Instance) *fork.Forker {
	return fork.New(fork.Settings{
		Store: in.Store, KV: in.KV, Keys: f.Keys, Stream: in.Stream, Archive: archive.New(in.Store, 1<<20), Cover: in.Upkeep.Cover, Now: in.Now, LookBack: fork.LookBack,
		NewID: func() (id record.TopicID) { _, _ = rand.Read(id[:]); return id },
	})
}

// do takes steps of maintenance.
func (f *fixture) do(steps ...func(context.Context) error) {
	f.t.Helper()
	for _, step := range steps {
		f.a.Barrier()
		f.a.Upkeep.Observe()
		if err := step(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fixture) checkpoint() { f.t.Helper(); f.do(f.a.Upkeep.Checkpoint) }
func (f *fixture) settle()     { f.t.Helper(); f.checkpoint(); f.do(f.settler.Run) }

// chill moves what is settled for good of topics with a cold storage.
func (f *fixture) chill() {
	f.t.Helper()
	f.do(func(ctx context.Context) error {
		for {
			if more, err := f.chiller.Step(ctx); err != nil || !more {
				return err
			}
		}
	})
}

// sweep lets the floor pass everything so far, and makes both rounds.
func (f *fixture) sweep() {
	f.t.Helper()
	time.Sleep(2 * time.Second)
	f.do(f.a.Upkeep.RaiseStamp)
	time.Sleep(time.Second)
	u := f.a.Upkeep
	f.do(u.RaiseStamp, u.RaiseFloor, u.Trim, u.Sweep, u.SweepSettled)
}

// fork forks, in etcd and in the model.
func (f *fixture) fork(from, name string, at time.Time) fork.Result {
	f.t.Helper()
	got, err := f.forker.Fork(f.t.Context(), fork.Request{From: from, Name: name, At: at})
	if err != nil {
		f.t.Fatalf("fork %s: %v", from, err)
	}
	f.topics[name] = f.topics[from].fork(got.Topic.ID, at)
	for p := range partitions {
		if end := f.topics[name].logs[p].next; got.Partitions[p].End != end {
			f.t.Fatalf("fork %s of %s, partition %d: ends at %d, want %d", name, from, p, got.Partitions[p].End, end)
		}
	}
	return got
}

// mustFork forks without a model.
func (f *fixture) mustFork(from, name string, at time.Time) record.TopicID {
	f.t.Helper()
	got, err := f.forker.Fork(f.t.Context(), fork.Request{From: from, Name: name, At: at})
	if err != nil {
		f.t.Fatalf("fork %s: %v", from, err)
	}
	return got.Topic.ID
}

// check reads every partition of every topic as both kinds of consumers do, and compares with the model.
func (f *fixture) check() {
	f.t.Helper()
	f.checkOn(f.a)
}

func (f *fixture) checkOn(in *coretest.Instance) {
	f.t.Helper()
	in.Barrier()
	for _, name := range slices.Sorted(maps.Keys(f.topics)) {
		for p, l := range f.topics[name].logs {
			tp := record.TopicPartition{Topic: f.topics[name].id, Partition: int32(p)}
			for _, committed := range []bool{false, true} {
				got, bounds := consume(f.t, in, tp, committed)
				if want := l.values(committed); !slices.Equal(got, want) {
					f.t.Fatalf("%s/%d, committed %v:\n%s\nwant\n%s", name, p, committed, strings.Join(got, " "), strings.Join(want, " "))
				}
				if bounds.HighWatermark != l.next || bounds.LogStart != l.start || bounds.LastStable != max(l.stable(), l.start) {
					f.t.Fatalf("%s/%d: %+v, want %d to %d, stable %d", name, p, bounds, l.start, l.next, l.stable())
				}
			}
		}
	}
}

// exact says that the bucket holds just what is referred to, and fsck finds nothing wrong.
func (f *fixture) exact() {
	f.t.Helper()
	named := map[string]struct{}{}
	for _, w := range f.Walk() {
		maps.Copy(named, w.Named)
	}
	if got, want := slices.Sorted(slices.Values(f.Bucket())), slices.Sorted(maps.Keys(named)); !slices.Equal(got, want) {
		f.t.Fatalf("the bucket holds %d objects:\n%s\nreferred to are %d:\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
	if n := f.settler.Damaged(); n > 0 {
		f.t.Errorf("settling takes %d stretches for damaged", n)
	}
	f.sound()
}

// sound runs fsck over every byte.
func (f *fixture) sound() {
	f.t.Helper()
	report, err := fsck.New(fsck.Settings{Store: f.Disk, KV: f.Etcd, Cluster: "test", Now: time.Now, Log: coretest.Quiet(), Deep: true}).Check(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	if bad := report.Errors(); len(bad) > 0 {
		f.t.Fatalf("fsck: %+v", bad)
	}
}

// refused demands an error of a class.
func (f *fixture) refused(want error, r fork.Request) {
	f.t.Helper()
	if _, err := f.forker.Fork(f.t.Context(), r); !errors.Is(err, want) {
		f.t.Errorf("fork %+v: %v, want %v", r, err, want)
	}
}

// head is one in etcd.
func (f *fixture) head(id record.TopicID, p int32) *ledger.Head {
	f.t.Helper()
	snap, err := f.Etcd.Get(f.t.Context(), f.Keys.Head(id, p))
	if err != nil || snap.Items[0].Create == 0 {
		f.t.Fatalf("head %d: %v", p, err)
	}
	h, err := ledger.DecodeHead(snap.Items[0].Value)
	if err != nil {
		f.t.Fatal(err)
	}
	return h
}

func (f *fixture) value() string {
	f.count++
	return fmt.Sprintf("%04d%s", f.count, strings.Repeat("x", 40+f.count%97))
}
