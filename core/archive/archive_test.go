package archive_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// bucket has manifests of entries of ten offsets each.
type bucket struct {
	t     testing.TB
	store *memory.Store
	ids   uint64
}

func newBucket(t testing.TB) *bucket { return &bucket{t: t, store: memory.New()} }

func (b *bucket) id() (id ulid.ULID) {
	b.ids++
	if err := id.SetTime(b.ids); err != nil {
		b.t.Fatal(err)
	}
	return id
}

func part(n int32) record.TopicPartition {
	return record.TopicPartition{Topic: record.TopicID{1}, Partition: n}
}

func (b *bucket) write(tp record.TopicPartition, n int) *ledger.Manifest {
	b.t.Helper()
	var list []manifest.Entry
	for i := range n {
		base := record.Offset(i * 10)
		list = append(list, manifest.Entry{Span: ledger.Span{Place: ledger.InOwn, Segment: b.id(), Length: 100, Base: base, End: base + 10, MaxTimestamp: int64(i)}})
	}
	c, err := (&manifest.Root{}).Append(list, nil, manifest.Pager{ID: func() (ulid.ULID, error) { return b.id(), nil }})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range c.Pages {
		b.put(ledger.ManifestKey(tp, p.ID), p.Body)
	}
	m := c.Root.Sums()
	m.ID = b.id()
	b.put(m.Key(tp), c.Root.Encode())
	return &m
}

func (b *bucket) put(key string, body []byte) {
	b.t.Helper()
	if err := b.store.Put(b.t.Context(), key, body); err != nil {
		b.t.Fatal(err)
	}
}

func open(t testing.TB, a *archive.Archive, tp record.TopicPartition, m *ledger.Manifest) *archive.Shelf {
	t.Helper()
	s, err := a.Open(t.Context(), tp, m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEntries_AreReadAPageAtATimeAsTheWalkComesToIt(t *testing.T) {
	b := newBucket(t)
	m := b.write(part(0), 700) // two pages and 188
	a := archive.New(b.store, 1<<20)
	shelf := open(t, a, part(0), m)
	n := 0
	for e, err := range shelf.Entries(t.Context(), 3005) {
		if want := record.Offset(3000 + 10*n); err != nil || e.Base != want {
			t.Fatalf("entry %d at %d, %v; want %d", n, e.Base, err, want)
		}
		if n++; n == 2 {
			break
		}
	}
	if a.Gets() != 2 {
		t.Errorf("%d GETs, want the root and one page", a.Gets())
	}
	n = 0
	for _, err := range shelf.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 700 || a.Gets() != 3 {
		t.Errorf("%d entries, %d GETs", n, a.Gets())
	}
	if !a.Warm(part(0), m, 0) || archive.New(b.store, 1<<20).Warm(part(0), m, 0) {
		t.Error("warm is what was read")
	}
	e, ok, err := shelf.FirstAt(t.Context(), 50, 650)
	if err != nil || !ok || e.Base != 6500 {
		t.Errorf("by time: %+v, %v, %v", e.Span, ok, err)
	}
	if _, ok, err := shelf.FirstAt(t.Context(), 50, 701); ok || err != nil {
		t.Errorf("later than all: %v, %v", ok, err)
	}
	if keys := shelf.Pages(); len(keys) != 2 {
		t.Errorf("pages %v", keys)
	}
}

func TestFirstAt_PassesOverPagesThatAreTooOldWithoutReadingThem(t *testing.T) {
	b := newBucket(t)
	m := b.write(part(0), 256*20+1)
	a := archive.New(b.store, 1<<20)
	if e, ok, err := open(t, a, part(0), m).FirstAt(t.Context(), 0, 256*15+7); err != nil || !ok || e.MaxTimestamp != 256*15+7 {
		t.Errorf("%+v, %v, %v", e.Span, ok, err)
	}
	if a.Gets() != 2 {
		t.Errorf("%d GETs, want 2", a.Gets())
	}
}

func TestOpen_AForksManifestResolvesToItsSourceAndEndsWhereTheForkDoes(t *testing.T) {
	b := newBucket(t)
	m := b.write(part(0), 300)
	fork := *m
	fork.Owner, fork.End = part(0), 2987
	shelf := open(t, archive.New(b.store, 1<<20), part(5), &fork)
	var last manifest.Entry
	n := 0
	for e, err := range shelf.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if want := ledger.ObjectKey(ledger.InOwn, part(0), e.Segment); e.Key(part(5)) != want {
			t.Fatalf("key %s, want %s", e.Key(part(5)), want)
		}
		last, n = e, n+1
	}
	if n != 299 || last.End != 2987 {
		t.Errorf("%d entries to %d", n, last.End)
	}
}

func TestArchive_RemembersNoMoreThanItMay(t *testing.T) {
	b := newBucket(t)
	var all []*ledger.Manifest
	for i := range int32(40) {
		all = append(all, b.write(part(i), 300))
	}
	a := archive.New(b.store, 256<<10)
	for range 2 {
		for i, m := range all {
			for _, err := range open(t, a, part(int32(i)), m).Entries(t.Context(), 0) {
				if err != nil {
					t.Fatal(err)
				}
			}
			if a.Held() > 256<<10 {
				t.Fatalf("%d bytes", a.Held())
			}
		}
	}
	before := a.Gets()
	open(t, a, part(39), all[39])
	if a.Gets() != before {
		t.Error("what was just read is not remembered")
	}
	none := archive.New(b.store, 0)
	open(t, none, part(0), all[0])
	if none.Held() != 0 {
		t.Error("what does not fit is remembered")
	}
}

func TestArchive_WhoAsksAtTheSameTimeSharesAGET(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		m := b.write(part(0), 300)
		slow := objectstore.NewFault(b.store, func(objectstore.Op, string) objectstore.Decision { return objectstore.Decision{Delay: time.Second} }, objectstore.SystemClock())
		a := archive.New(slow, 1<<20)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				shelf, err := a.Open(t.Context(), part(0), m)
				if err != nil {
					t.Error(err)
					return
				}
				for _, err := range shelf.Entries(t.Context(), 0) {
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if a.Gets() != 2 {
			t.Errorf("%d GETs, want 2", a.Gets())
		}
	})
}

func TestArchive_WhatIsNotAsItsReferenceSaysIsCorrupt(t *testing.T) {
	b := newBucket(t)
	m := b.write(part(0), 300)
	long := *m
	long.End++
	if _, err := archive.New(b.store, 1<<20).Open(t.Context(), part(0), &long); !errors.Is(err, manifest.ErrCorrupt) {
		t.Errorf("a root that ends too early: %v", err)
	}
	a := archive.New(b.store, 1<<20)
	ref := open(t, a, part(0), m).Root().Pages[0]
	ref.End--
	if _, err := a.Page(t.Context(), part(0), ref); !errors.Is(err, manifest.ErrCorrupt) {
		t.Errorf("another page: %v", err)
	}
	if _, err := a.Root(t.Context(), part(1), m); !errors.Is(err, objectstore.ErrNotFound) {
		t.Errorf("a missing root: %v", err)
	}
	if _, err := a.Index(t.Context(), m.Key(part(0))); !errors.Is(err, segment.ErrCorrupt) {
		t.Errorf("an index of no settled object: %v", err)
	}
}

func TestIndex_OfVeryManyRunsTakesASecondGET(t *testing.T) {
	b := newBucket(t)
	o := segment.NewSettled()
	for i := range int32(9000) {
		batch, err := record.NewBatch(record.Settings{}).Append(int64(i)*1_000_003, nil, fmt.Append(nil, i)).Seal()
		if err = errors.Join(err, o.Begin(part(i), 0), o.Add(batch), o.End(1)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := o.Seal()
	if err != nil {
		t.Fatal(err)
	}
	b.put("settled/shared/x", slices.Concat(s.Chunks...))
	a := archive.New(b.store, 8<<20)
	for range 2 {
		x, err := a.Index(t.Context(), "settled/shared/x")
		if run, ok := x.Find(part(8999), 0); err != nil || !ok || run.MaxTimestamp != 8999*1_000_003 {
			t.Fatalf("%+v, %v", run, err)
		}
	}
	if a.Gets() != 2 {
		t.Errorf("%d GETs, want 2", a.Gets())
	}
}
