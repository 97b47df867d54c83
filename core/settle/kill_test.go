package settle_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/objectstore"
)

// kill ends an instance at its n-th request that changes something: before it, after it but before the answer, or
// with the request on its way. Nothing that it sends afterwards arrives.
type kill struct {
	at, seen int
	how      int
	dead     bool
	where    string
	stop     context.CancelFunc
}

const ways = 3

// reached counts a request, and says whether this is the one.
func (k *kill) reached(what string) bool {
	if k.dead {
		return false
	}
	if k.seen++; k.seen != k.at {
		return false
	}
	k.dead, k.where = true, what
	k.stop()
	return true
}

func (k *kill) kv(who string, op coordination.Op, key string) (d coordination.Decision) {
	if who != "b" || op != coordination.OpCommit {
		return d
	}
	if was := k.dead; k.reached("commit "+key) || was {
		d.Fail = coordination.FailBefore
		if !was {
			d.Fail = [ways]coordination.Failure{coordination.FailBefore, coordination.FailAfter, coordination.FailLate}[k.how]
		}
	}
	return d
}

func (k *kill) store(who string, op objectstore.Op, key string) (d objectstore.Decision) {
	if who != "b" || !op.Changes() {
		return d
	}
	if was := k.dead; k.reached(op.String()+" "+key) || was {
		d.Fail = objectstore.FailBefore
		if !was {
			d.Fail = [ways]objectstore.Failure{objectstore.FailBefore, objectstore.FailAfter, objectstore.FailLate}[k.how]
		}
	}
	return d
}

// TestKill_AtEveryStepNothingIsLostAndTheNextRunCompletes kills settle, merge, own, spill and both sweeps at each of their
// requests that change anything, in three ways. After each kill every record is at its offset by all that is referred to; another
// instance does the rest, what was on its way lands late, and in the end the bucket holds just what is referred to.
func TestKill_AtEveryStepNothingIsLostAndTheNextRunCompletes(t *testing.T) {
	kinds := map[string]int{}
	total := 0
	for how := range ways {
		for at, more := 1, true; more; at++ {
			bubble(t, 2, func(f *fixture) {
				f.settled(9)
				f.pass()
				f.busy(f.a, 30)
				f.checkpoint()
				b := f.Instance("b", coretest.Options{Upkeep: func(s *upkeep.Settings) { s.SweepGrace = 0 }}).Ready()
				ctx, cancel := context.WithCancel(f.t.Context())
				defer cancel()
				k := &kill{at: at, how: how, stop: cancel}
				f.FaultKV(k.kv)
				f.FaultStore(k.store)
				victim := f.settlerOf(b, tiny)
				_ = victim.Run(ctx)
				_ = b.Upkeep.Sweep(ctx)
				_ = b.Upkeep.SweepSettled(ctx)
				f.FaultKV(nil)
				f.FaultStore(nil)
				if more = k.dead; !more {
					return
				}
				total++
				kinds[kindOf(k.where)]++
				f.check()
				f.run(f.settler)
				f.check()
				for b.Store.Late() > 0 {
					_, _ = b.Store.Land(f.t.Context(), 0)
				}
				for b.KV.Late() > 0 {
					if _, err := b.KV.Land(f.t.Context(), 0); err != nil {
						f.t.Error(err)
					}
				}
				f.a.Barrier()
				f.check()
				time.Sleep(time.Second)
				f.sweepTwice()
				want := slices.Sorted(maps.Keys(f.named()))
				if got := slices.Sorted(slices.Values(f.Bucket())); !slices.Equal(got, want) {
					f.t.Errorf("killed at %s (%d): %d objects, %d are referred to", k.where, how, len(got), len(want))
				}
			})
			if t.Failed() {
				t.Fatalf("killed at request %d, way %d", at, how)
			}
		}
	}
	t.Logf("%d kills: %v", total, kinds)
	for _, kind := range []string{"put settled/shared", "put settled", "put manifests", "commit heads", "delete segments", "delete manifests"} {
		if kinds[kind] == 0 {
			t.Errorf("never killed at %s: %v", kind, kinds)
		}
	}
}

func kindOf(where string) string {
	for _, kind := range []string{"settled/shared", "settled", "manifests", "segments", "heads", "floor"} {
		if strings.Contains(where, kind+"/") || strings.HasSuffix(where, kind) {
			verb, _, _ := strings.Cut(where, " ")
			return fmt.Sprintf("%s %s", verb, kind)
		}
	}
	return where
}
