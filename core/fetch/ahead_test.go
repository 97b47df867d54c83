package fetch_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// slow is a store whose GETs take a while.
type slow struct {
	objectstore.Store
	wait time.Duration
}

func (s slow) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	time.Sleep(s.wait)
	return s.Store.Get(ctx, key, offset, length)
}

// walker reads two partitions as a consumer does, a batch of each at a time.
type walker struct {
	reader
	f  *fixture
	at record.Offset
}

const valueBytes = 10_000

// write makes so many segments, each with a batch of each of two partitions.
func (f *fixture) write(segments int) {
	for range segments {
		value := strings.Repeat("x", valueBytes)
		f.a.MustProduce(coretest.Plain(f.tp, value), coretest.Plain(f.part(1), value))
	}
	f.b.Barrier()
}

// step reads on, and says how long that took.
func (w *walker) step(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	r := request(w.f.tp, w.f.part(1))
	for i := range r.Partitions {
		r.Partitions[i].Offset, r.Partitions[i].BytesMax = w.at, valueBytes*3/2
	}
	for _, got := range w.Fetch(t.Context(), r) {
		if got.Err != nil || len(got.Batches) == 0 {
			t.Fatalf("at %d: %d bytes, %v", w.at, len(got.Batches), got.Err)
		}
	}
	w.at++
	return time.Since(began)
}

func (f *fixture) walker(store objectstore.Store, cacheBytes int64) *walker {
	return &walker{reader: newReader(f.b, store, cacheBytes), f: f}
}

func TestFetch_WhoReadsOnInSegmentsWaitsForTheFirstOnesOnly(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		const segments = 30
		f.write(segments)
		w := f.walker(slow{f.Disk, time.Millisecond}, 1<<20)
		waited := 0
		for range segments {
			if w.step(t) > 0 {
				waited++
			}
			time.Sleep(2 * time.Millisecond) // of the bubble: what is read ahead has come
		}
		if waited > 2 {
			t.Errorf("%d of %d answers waited for a GET", waited, segments)
		}
		if n := w.gets(); n != segments {
			t.Errorf("%d GETs for %d segments", n, segments)
		}
	})
}

func TestFetch_WhoStopsIsReadAheadForOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.write(30)
		w := f.walker(f.Disk, 1<<20)
		w.step(t)
		time.Sleep(time.Hour)
		if n := w.gets(); n > 4 { // two for the answer, and two that the next one would need
			t.Errorf("%d GETs for one answer", n)
		}
	})
}

func TestFetch_AtTheTailNothingIsReadAhead(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		w := f.walker(f.Disk, 1<<20)
		for range 20 {
			f.write(1)
			w.step(t)
			synctest.Wait()
		}
		if n := w.gets(); n != 20 {
			t.Errorf("%d GETs for 20 segments", n)
		}
	})
}

// More readers than the cache has room for: what is read ahead for one is pushed out by the others.
func TestFetch_WhatIsReadAheadInVainIsFew(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		const segments, readers = 400, 8
		f.write(segments + 3)
		var gets [2]int64
		for i, never := range []bool{true, false} {
			r := newReader(f.b, f.Disk, 5*valueBytes) // two segments
			r.NoReadAhead = never
			var all []*walker
			for i := range readers {
				all = append(all, &walker{reader: r, f: f, at: record.Offset(i * segments / readers)})
			}
			for range segments / readers {
				for _, w := range all {
					w.step(t)
					synctest.Wait()
				}
			}
			gets[i] = r.gets()
		}
		if never, now := gets[0], gets[1]; now > never*110/100 {
			t.Errorf("%d GETs for %d segments, and %d if none were read ahead", now, segments, never)
		}
	})
}

// An answer that has no room for all partitions: the rest of them is in the same segments, and is asked for next.
func TestFetch_WhileAPartitionGotNothingNothingIsReadAhead(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.write(20)
		var gets [2]int64
		for i, never := range []bool{true, false} {
			r := newReader(f.b, f.Disk, 1<<20)
			r.NoReadAhead = never
			ask := request(f.tp, f.part(1))
			ask.BytesMax = valueBytes * 3 / 2
			got := r.Fetch(t.Context(), ask)
			if len(got[0].Batches) == 0 || len(got[1].Batches) > 0 {
				t.Fatalf("%d and %d bytes", len(got[0].Batches), len(got[1].Batches))
			}
			synctest.Wait()
			gets[i] = r.gets()
		}
		if gets[0] != gets[1] || gets[0] > 3 { // the offset may be at the end of the first, and a batch and a half may be in three
			t.Errorf("%d GETs, and %d if none were read ahead", gets[1], gets[0])
		}
	})
}
