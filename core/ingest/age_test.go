package ingest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// heldPut makes the first put of instance a take so long.
func heldPut(f *fixture, takes time.Duration) {
	first := true
	f.FaultStore(func(who string, op objectstore.Op, _ string) (d objectstore.Decision) {
		if who == "a" && op == objectstore.OpPut && first {
			first, d.Delay = false, takes
		}
		return d
	})
}

// Its producer has sent it elsewhere and may be forgotten by the time it would be appended.
func TestHeld_ABatchThatWaitedForTooLongIsNotAppended(t *testing.T) {
	bubble(t, coretest.Options{UploadsMax: 1}, func(t *testing.T, f *fixture) {
		heldPut(f, ingest.HeldMax+time.Minute)
		f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.tp, "stuck")})
		time.Sleep(time.Second)
		late := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Idempotent(f.tp, 7, 0, 0, "late")})
		time.Sleep(ingest.HeldMax)
		young := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Plain(f.tp, "young")})
		if out := late.Wait(t.Context())[0]; !errors.Is(out.Err, ingest.ErrNotAppended) {
			t.Errorf("held for six minutes: %+v, want %v", out, ingest.ErrNotAppended)
		}
		if out := young.Wait(t.Context())[0]; out.Err != nil {
			t.Errorf("behind it: %+v", out)
		}
	})
}

// A segment that the floor has passed is sealed anew, but not for ever.
func TestHeld_ABatchWhoseSegmentIsSealedAnewForTooLongIsNotAppended(t *testing.T) {
	bubble(t, coretest.Options{}, func(t *testing.T, f *fixture) {
		b := f.Instance("b", coretest.Options{Upkeep: eager}).Ready()
		heldPut(f, ingest.HeldMax+time.Minute)
		p := f.a.Ingest.Add(t.Context(), []ingest.Incoming{coretest.Idempotent(f.tp, 7, 0, 0, "x")})
		for range 8 {
			time.Sleep(time.Minute)
			b.Upkeep.Observe()
			for _, raise := range []func() error{
				func() error { return b.Upkeep.RaiseStamp(t.Context()) }, func() error { return b.Upkeep.RaiseFloor(t.Context()) },
			} {
				if err := raise(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if floor := f.Mark(f.Keys.Floor()); floor < coordination.Mark(time.Now().Add(-7*time.Minute).UnixMilli()) {
			t.Fatalf("the floor has not moved: %d", floor)
		}
		if out := p.Wait(t.Context())[0]; !errors.Is(out.Err, ingest.ErrNotAppended) {
			t.Errorf("%+v, want %v", out, ingest.ErrNotAppended)
		}
		b.Barrier()
		if got := b.ReadAll(record.TopicPartition{Topic: f.tp.Topic, Partition: f.tp.Partition}); len(got) > 0 {
			t.Errorf("read %q", got)
		}
	})
}
