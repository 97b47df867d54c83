package upkeep_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/upkeep"
)

// Anomaly 22.
func TestAnomaly22_SweepCollectsAnOrphanOnlyBelowTheFloorAndAfterTheGrace(t *testing.T) {
	grace := coretest.Options{Upkeep: func(s *upkeep.Settings) { s.CheckpointAge, s.Lag = 0, 0 }} // grace: 10 min
	bubble(t, grace, func(t *testing.T, f *fixture) {
		id, err := f.a.Stream.NewID()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Disk.Put(t.Context(), ledger.SegmentKey(id), []byte("orphan")); err != nil {
			t.Fatal(err)
		}
		f.a.MustProduce(coretest.Plain(f.tp, "kept"))
		there := func() int { return len(f.Objects()) }
		do(t, f.a, f.a.Upkeep.Sweep)
		time.Sleep(11 * time.Minute)
		f.a.Upkeep.Sweep(t.Context())
		if there() != 2 {
			t.Fatal("swept above the floor")
		}
		pass(t, f.a)
		do(t, f.a, f.a.Upkeep.Sweep)
		if there() != 2 {
			t.Fatal("swept without a grace")
		}
		time.Sleep(5 * time.Minute)
		do(t, f.a, f.a.Upkeep.Sweep)
		if there() != 2 {
			t.Fatal("swept before the grace was over")
		}
		time.Sleep(6 * time.Minute)
		do(t, f.a, f.a.Upkeep.Checkpoint, f.a.Upkeep.Trim, f.a.Upkeep.Sweep)
		if there() != 1 {
			t.Fatalf("%d objects: the orphan must go, what a head names must stay", there())
		}
		if got := f.a.ReadAll(f.tp); !slices.Equal(got, []string{"kept"}) {
			t.Errorf("read %q", got)
		}
	})
}

// An etcd that was lost and began anew refers to nothing; what the bucket holds is all there is to restore from.
func TestSweep_LeavesObjectsFromBeforeThisEraAlone(t *testing.T) {
	bubble(t, coretest.Options{Upkeep: func(s *upkeep.Settings) { s.SweepGrace, s.Lag = 0, 0 }}, func(t *testing.T, f *fixture) {
		old, young := ulid.ULID{}, ulid.ULID{}
		_ = old.SetTime(uint64(time.Now().Add(-time.Hour).UnixMilli()))
		_ = young.SetTime(uint64(time.Now().Add(time.Second).UnixMilli()))
		for _, id := range []ulid.ULID{old, young} {
			if err := f.Disk.Put(t.Context(), ledger.SegmentKey(id), []byte("of another era, or an orphan")); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			pass(t, f.a)
			time.Sleep(time.Minute)
			do(t, f.a, f.a.Upkeep.Sweep)
		}
		if got := f.Objects(); !slices.Equal(got, []string{ledger.SegmentKey(old)}) {
			t.Errorf("left %v, want the object from before this era alone", got)
		}
	})
}

// Anomaly 23: a paused writer commits its segment while sweep is between its steps, wherever that is.
func TestAnomaly23_APausedWritersSegmentIsNeverSweptAndThenCommitted(t *testing.T) {
	for step := range 6 {
		t.Run(fmt.Sprint("writer goes on at request ", step), func(t *testing.T) {
			bubble(t, eagerly, func(t *testing.T, f *fixture) {
				w := f.Instance("w", coretest.Options{}).Ready()
				thaw := make(chan struct{})
				var requests atomic.Int64
				outcome := make(chan ingest.Outcome, 1)
				f.FaultKV(func(who string, op coordination.Op, key string) coordination.Decision {
					switch {
					case who == "w" && op == coordination.OpCommit:
						<-thaw
					case who == "a" && op != coordination.OpUpdate && op != coordination.OpProgress && requests.Add(1) == int64(step)+100:
						close(thaw)
						synctestWait(outcome)
					}
					return coordination.Decision{}
				})
				go func() { outcome <- w.Produce(coretest.Plain(f.tp, "paused"))[0] }()
				for range 2 { // the stamp passes the segment's id, and sweep itself shall raise the floor
					time.Sleep(2 * time.Second)
					do(t, f.a, f.a.Upkeep.RaiseStamp)
				}
				f.a.Upkeep.Observe()
				requests.Store(99)
				for range 2 {
					if err := f.a.Upkeep.Sweep(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				select {
				case <-thaw:
				default:
					close(thaw)
				}
				out := <-outcome
				f.FaultKV(nil)
				if out.Err != nil {
					if got := f.a.ReadAll(f.tp); len(got) != 0 {
						t.Errorf("refused with %v, yet read %q", out.Err, got)
					}
					return
				}
				for _, in := range []*coretest.Instance{f.a, f.Instance("b", eagerly).Ready()} {
					if got := in.ReadAll(f.tp); !slices.Equal(got, []string{"paused"}) {
						t.Errorf("%s reads %q", in.Name, got)
					}
				}
			})
		})
	}
}

// synctestWait gives the thawed writer time to finish, and puts its outcome back.
func synctestWait(outcome chan ingest.Outcome) {
	select {
	case out := <-outcome:
		outcome <- out
	case <-time.After(time.Second):
	}
}

func TestSweep_RaisesTheFloorBeforeItReadsReferences(t *testing.T) {
	bubble(t, coretest.Options{Upkeep: func(s *upkeep.Settings) { s.Lag = 0 }}, func(t *testing.T, f *fixture) {
		do(t, f.a, f.a.Upkeep.RaiseStamp)
		time.Sleep(time.Second)
		do(t, f.a, f.a.Upkeep.RaiseStamp)
		f.a.Upkeep.Observe()
		f.Transcript()
		if err := f.a.Upkeep.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, l := range f.Transcript() {
			if !strings.Contains(l, "progress") {
				order = append(order, l)
			}
		}
		want := []string{"a kv commit log/floor", "a kv get log/floor", "a kv list log/commits/", "a kv list log/heads/", "a store list segments/", "a store list settled/shared/"}
		if !slices.Equal(order, want) {
			t.Errorf("requests:\n%s\nwant:\n%s", strings.Join(order, "\n"), strings.Join(want, "\n"))
		}
	})
}
