package upkeep_test

import (
	"errors"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/upkeep"
)

func TestExpire_ForgetsAProducerThatWasSilentForADayAndNoOther(t *testing.T) {
	o := coretest.Options{Upkeep: func(s *upkeep.Settings) { s.Tick = 10 * time.Second }, RunUpkeep: true}
	bubble(t, o, func(t *testing.T, f *fixture) {
		time.Sleep(3 * time.Hour) // it must not need a producer older than its process
		f.a.MustProduce(coretest.Idempotent(f.tp, 7, 0, 0, "x"), coretest.Idempotent(f.tp, 8, 0, 0, "y"))
		for i := range 27 {
			time.Sleep(time.Hour)
			f.a.MustProduce(coretest.Idempotent(f.tp, 8, 0, int32(i)+1, "y"))
		}
		for _, in := range []*coretest.Instance{f.a, f.Instance("b", coretest.Options{}).Ready()} {
			if out := in.Produce(coretest.Idempotent(f.tp, 7, 0, 1, "x"))[0]; !errors.Is(out.Err, ingest.ErrUnknownProducer) {
				t.Errorf("%s, silent for a day: %v, want forgotten", in.Name, out.Err)
			}
		}
		if out := f.a.Produce(coretest.Idempotent(f.tp, 8, 0, 28, "y"))[0]; out.Err != nil {
			t.Errorf("the busy one: %v", out.Err)
		}
	})
}

// What the one before remembered was written by a clock that was a day behind: it looks a day old, and is an hour old.
func TestExpire_ASampleOfAClockThatWasBehindForgetsNobodyEarly(t *testing.T) {
	bubble(t, eagerly, func(t *testing.T, f *fixture) {
		f.a.MustProduce(coretest.Idempotent(f.tp, 7, 0, 0, "x"))
		slow := f.Instance("slow", coretest.Options{Upkeep: eager, Skew: -24 * time.Hour}).Ready()
		slow.Barrier()
		slow.Upkeep.Observe()
		era, samples := slow.Upkeep.History()
		slow.Stop()
		next := f.Instance("next", coretest.Options{Upkeep: eager}).Ready()
		next.Upkeep.Recall(era, samples)
		time.Sleep(time.Hour)
		pass(t, next)
		do(t, next, next.Upkeep.Expire)
		if out := f.a.Produce(coretest.Idempotent(f.tp, 7, 0, 1, "x"))[0]; out.Err != nil {
			t.Errorf("forgotten after an hour: %v", out.Err)
		}
	})
}
