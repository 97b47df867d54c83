package cache

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestObject_RangeCrossesChunks(t *testing.T) {
	o := NewObject([]byte("abc"), nil, []byte("defg"), []byte("h"))
	for _, c := range []struct {
		position, length int64
		want             string
	}{{0, 8, "abcdefgh"}, {0, 3, "abc"}, {2, 3, "cde"}, {3, 4, "defg"}, {7, 9, "h"}, {8, 1, ""}, {1, 0, ""}} {
		if got := string(bytes.Join(o.Range(c.position, c.length), nil)); got != c.want {
			t.Errorf("Range(%d, %d) = %q, want %q", c.position, c.length, got, c.want)
		}
	}
}

func TestLoad_CallersAtTheSameTimeShareOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(1<<20, 1<<20)
		var loads atomic.Int64
		hold := make(chan struct{})
		load := func(context.Context) ([]byte, error) { loads.Add(1); <-hold; return []byte("x"), nil }
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if o, err := c.Load(t.Context(), Hot, "k", load); err != nil || o.Size() != 1 {
					t.Errorf("Load: %v", err)
				}
			})
		}
		synctest.Wait()
		close(hold)
		wg.Wait()
		if loads.Load() != 1 {
			t.Fatalf("%d loads, want 1", loads.Load())
		}
	})
}

func TestLoad_GoesOnWhenTheFirstCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(1<<20, 1<<20)
		hold := make(chan struct{})
		load := func(ctx context.Context) ([]byte, error) {
			<-hold
			return []byte("x"), ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error)
		go func() { _, err := c.Load(ctx, Hot, "k", load); first <- err }()
		synctest.Wait()
		second := make(chan error)
		go func() { _, err := c.Load(t.Context(), Hot, "k", load); second <- err }()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Fatalf("first caller: %v", err)
		}
		close(hold)
		if err := <-second; err != nil {
			t.Fatalf("second caller: %v", err)
		}
	})
}

func TestPools_ColdReadsDoNotEvictTheTail(t *testing.T) {
	c := New(10, 10)
	c.Fill("tail", NewObject(make([]byte, 10)))
	for _, k := range []string{"a", "b", "c"} {
		if _, err := c.Load(t.Context(), Cold, k, func(context.Context) ([]byte, error) { return make([]byte, 8), nil }); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := c.Lookup("tail"); !ok {
		t.Error("a backfill evicted the tail")
	}
	if _, ok := c.Lookup("a"); ok {
		t.Error("the cold pool is over its limit")
	}
	if _, _, held := c.Stats(); held != 18 {
		t.Errorf("%d bytes held, want 18", held)
	}
}

func TestLoad_AFailureIsNotKept(t *testing.T) {
	c := New(10, 10)
	boom := errors.New("boom")
	if _, err := c.Load(t.Context(), Hot, "k", func(context.Context) ([]byte, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if o, err := c.Load(t.Context(), Hot, "k", func(context.Context) ([]byte, error) { return []byte("ok"), nil }); err != nil || o.Size() != 2 {
		t.Fatal(err)
	}
}
