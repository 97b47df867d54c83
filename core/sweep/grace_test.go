package sweep_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/sweep"
	"github.com/firnlog/firnlog/objectstore"
)

// slow takes a while to list.
type slow struct {
	objectstore.Store
	takes time.Duration
}

func (s *slow) List(ctx context.Context, prefix, after string, limit int) ([]objectstore.Info, error) {
	time.Sleep(s.takes)
	return s.Store.List(ctx, prefix, after, limit)
}

// The first round comes across an object late, since listing is slow, and so does the second: between the two there is a grace, but
// the second has read references before that was over. A backup that began before the object was replaced, and whose root is put
// later, was seen by neither.
func TestSweep_TheGraceLiesBetweenTheReadingsOfReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := coretest.NewCluster(t)
		a := c.Instance("a", coretest.Options{}).Ready()
		id, err := a.Stream.NewID()
		if err != nil {
			t.Fatal(err)
		}
		key := ledger.SegmentKey(id)
		if err := c.Disk.Put(t.Context(), key, []byte("x")); err != nil {
			t.Fatal(err)
		}
		c.Put(c.Keys.Floor(), coordination.Mark(time.Now().Add(time.Second).UnixMilli()).Bytes())
		store := &slow{Store: c.Disk, takes: 8 * time.Minute}
		w := sweep.New(sweep.Settings{
			Store: store, KV: c.Etcd, Keys: c.Keys, Stream: a.Stream, Now: time.Now, Log: coretest.Quiet(), Grace: 10 * time.Minute,
			RaiseFloor: func(context.Context) error { return nil },
		})
		there := func() bool { return strings.Contains(strings.Join(c.Objects(), " "), key) }
		round := func(takes time.Duration) {
			store.takes = takes
			if err := w.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		round(2 * time.Minute) // segments, shared objects: four minutes
		round(11 * time.Minute)
		if !there() {
			t.Errorf("deleted: its references were read at the beginning, and %v later, want %v at least", 4*time.Minute, w.Grace)
		}
		time.Sleep(w.Grace - time.Since(begun))
		round(0)
		if there() {
			t.Error("after the grace it is still there")
		}
	})
}
