package objectstore_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
	"github.com/firnlog/firnlog/objectstore/storetest"
)

func TestMeter_KeepsThePromisesOfStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) objectstore.Store {
		return objectstore.NewMeter(memory.New(), time.Now, nil)
	})
}

func TestMeter_CountsRequestsBytesAndErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []objectstore.Observation
		slow, _ := faulty(memory.New(), objectstore.Decision{Delay: time.Second}, objectstore.Decision{}, objectstore.Decision{Delay: time.Minute})
		store := objectstore.NewMeter(slow, time.Now, func(o objectstore.Observation) { seen = append(seen, o) })
		ctx := t.Context()
		_ = store.Put(ctx, "k", []byte("ab"), []byte("cde"))
		_ = store.Put(ctx, "k", []byte("ab"))
		_, _ = store.Get(ctx, "k", 1, 3)
		_, _ = store.Get(ctx, "none", 0, -1)
		_, _ = store.List(ctx, "", "", 10)
		_ = store.Delete(ctx, "k", "none")
		want := objectstore.Snapshot{
			Put:    objectstore.Counts{Requests: 2, Errors: 1, BytesOut: 7},
			Get:    objectstore.Counts{Requests: 2, Errors: 1, BytesIn: 3},
			List:   objectstore.Counts{Requests: 1},
			Delete: objectstore.Counts{Requests: 1},
		}
		if got := store.Snapshot(); got != want {
			t.Errorf("snapshot %+v, want %+v", got, want)
		}
		if len(seen) != 6 || seen[0] != (objectstore.Observation{Op: objectstore.OpPut, Took: time.Second, BytesOut: 5}) {
			t.Fatalf("observed %+v", seen)
		}
		if !errors.Is(seen[1].Err, objectstore.ErrExists) || seen[2].Took != time.Minute || seen[2].Op != objectstore.OpGet {
			t.Errorf("observed %+v", seen)
		}
	})
}
