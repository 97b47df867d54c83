package upkeep_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/core/upkeep"
)

// exchanged is an etcd that may be rebuilt behind the same address.
type exchanged struct {
	now    atomic.Pointer[kvmemory.KV]
	onList func(prefix string) // before a List
}

func (x *exchanged) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	return x.now.Load().Get(ctx, keys...)
}

func (x *exchanged) List(ctx context.Context, r coordination.Range) (coordination.Page, error) {
	if x.onList != nil {
		x.onList(r.Prefix)
	}
	return x.now.Load().List(ctx, r)
}

func (x *exchanged) Read(ctx context.Context, r ...coordination.Range) ([]coordination.Page, error) {
	return x.now.Load().Read(ctx, r...)
}

func (x *exchanged) Commit(ctx context.Context, g []coordination.Guard, c []coordination.Change, orElse ...string) (coordination.Result, error) {
	return x.now.Load().Commit(ctx, g, c, orElse...)
}

func (x *exchanged) Grant(ctx context.Context, ttl time.Duration) (coordination.Lease, error) {
	return x.now.Load().Grant(ctx, ttl)
}

func (x *exchanged) Watch(ctx context.Context, prefix string, from coordination.Revision) (coordination.Watcher, error) {
	return x.now.Load().Watch(ctx, prefix, from)
}

// rebuilt is a cluster on an etcd that gets lost.
type rebuilt struct {
	t    *testing.T
	keys coordination.Keys
	etcd *exchanged
	log  *stream.Stream
	up   *upkeep.Upkeep
	tp   record.TopicPartition
}

func (r *rebuilt) commit(guards []coordination.Guard, changes ...coordination.Change) coordination.Revision {
	r.t.Helper()
	res, err := r.etcd.Commit(r.t.Context(), guards, changes)
	if err != nil || !res.Committed {
		r.t.Fatalf("%v, %v", res.Committed, err)
	}
	return res.Revision
}

// create begins an era in an empty etcd: a cluster with one topic.
func (r *rebuilt) create(era string, floor coordination.Mark) {
	r.t.Helper()
	r.etcd.now.Store(kvmemory.New(kvmemory.Settings{}))
	guards, changes := ledger.Creation(r.keys, ledger.Format{Version: ledger.FormatVersion, Era: era}, floor)
	r.commit(guards, changes...)
	topic := &ledger.Topic{Name: "t", ID: r.tp.Topic, Partitions: 1}
	r.commit(nil, coordination.PutKey(r.keys.Topic("t"), topic.Encode()))
}

// append commits a segment with one record.
func (r *rebuilt) append() {
	r.t.Helper()
	id, err := r.log.NewID()
	if err != nil {
		r.t.Fatal(err)
	}
	c := &ledger.Commit{Segments: []ledger.SegmentRef{{ID: id, Size: 100}}, Runs: []ledger.Run{{Partition: r.tp, Entries: []ledger.Entry{{Records: 1, Bytes: 100, Producer: record.NoProducer}}}}}
	if err := r.log.WaitRevision(r.t.Context(), r.commit(nil, coordination.PutKey(r.keys.Commit(id), c.Encode()))); err != nil {
		r.t.Fatal(err)
	}
}

// pass lets revisions go by, and the stream see them.
func (r *rebuilt) pass(n int) {
	r.t.Helper()
	for range n {
		r.commit(nil, coordination.PutKey(r.keys.Lease("other"), []byte("x")))
	}
	if err := r.log.Barrier(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// follow waits until the stream is in an era.
func (r *rebuilt) follow(era string) {
	r.t.Helper()
	for range 100 {
		_ = r.log.Barrier(r.t.Context())
		if time.Sleep(100 * time.Millisecond); r.log.ClusterID() == era && r.log.Barrier(r.t.Context()) == nil {
			return
		}
	}
	r.t.Fatalf("era %q, want %q", r.log.ClusterID(), era)
}

func rebuild(t *testing.T, fn func(t *testing.T, r *rebuilt)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := &rebuilt{t: t, keys: coordination.NewKeys("test"), etcd: &exchanged{}, tp: record.TopicPartition{Topic: record.TopicID{1}}}
		r.log = stream.New(stream.Settings{KV: r.etcd, Keys: r.keys, Now: time.Now, Entropy: rand.NewChaCha8([32]byte{}), Log: coretest.Quiet()})
		s := upkeep.Settings{KV: r.etcd, Keys: r.keys, Stream: r.log, Now: time.Now, Log: coretest.Quiet()}.Defaults()
		eager(&s)
		r.up = upkeep.New(s)
		r.create("old", 1)
		go func() { _ = r.log.Run(ctx) }()
		if err := r.log.WaitRevision(ctx, 1); err != nil {
			t.Fatal(err)
		}
		fn(t, r)
	})
}

// A trim has looked at what is covered, and is paused before it lists the commits. Etcd is lost meanwhile, and restored: revisions
// begin anew, so that those of the new commits lie below what was covered in the old era.
func TestTrim_WhatWasCoveredInOneEraEmptiesNothingInAnother(t *testing.T) {
	rebuild(t, func(t *testing.T, r *rebuilt) {
		for range 20 {
			r.append()
		}
		r.up.Observe()
		if err := r.up.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		once := false
		r.etcd.onList = func(prefix string) {
			if prefix != r.keys.Commits() || once {
				return
			}
			once = true
			r.create("new", coordination.Mark(time.Now().Add(time.Hour).UnixMilli()))
			r.follow("new")
			r.append()
		}
		_ = r.up.Trim(t.Context()) // it may fail: the next one is of the new era
		if !once {
			t.Fatal("nothing was listed")
		}
		page, err := r.etcd.List(t.Context(), coordination.Range{Prefix: r.keys.Commits()})
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("%d commits, %v", len(page.Items), err)
		}
		if len(page.Items[0].Value) == 0 {
			t.Error("the commit of the new era was emptied, and no head covers it: its record is lost")
		}
	})
}

// The samples of an era that has ended say nothing of how long something has stood: in an etcd that was rebuilt, and has come
// further than the one before when this instance looks again, they would call producers idle that are not.
func TestObserve_SamplesOfAnotherEraAreForgotten(t *testing.T) {
	rebuild(t, func(t *testing.T, r *rebuilt) {
		r.pass(50)
		r.up.Observe()
		r.create("new", coordination.Mark(time.Now().Add(time.Hour).UnixMilli()))
		r.follow("new")
		id, err := r.log.NewID()
		if err != nil {
			t.Fatal(err)
		}
		c := &ledger.Commit{Segments: []ledger.SegmentRef{{ID: id, Size: 100}}, Runs: []ledger.Run{{Partition: r.tp, Entries: []ledger.Entry{{Records: 1, Bytes: 100, Producer: 7}}}}}
		r.commit(nil, coordination.PutKey(r.keys.Commit(id), c.Encode()))
		r.pass(100)
		time.Sleep(25 * time.Hour) // the old sample is older than any producer may be silent
		r.up.Observe()
		if err := r.up.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		var ids []record.ProducerID
		if err := r.log.View(func(l *ledger.Ledger) {
			l.Partition(r.tp).EachProducer(func(p ledger.HeadProducer) { ids = append(ids, p.ID) })
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ids, []record.ProducerID{7}) {
			t.Errorf("producers %v: who was heard of in this era alone was expired by a sample of the one before", ids)
		}
	})
}
