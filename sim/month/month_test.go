package month_test

import (
	"flag"
	"testing"
	"testing/synctest"
	"time"
)

var (
	fullFlag = flag.Bool("month", false, "the whole month: 200 topics, 30 days; without it a slice")
	daysFlag = flag.Int("days", 30, "of the whole month")
	drawFlag = flag.String("draw", "", "write the picture to this file")
	seedFlag = flag.Uint64("seed", 1, "the history to run")
)

// TestMonth_InShort is a slice of TestMonth_OfAllPolicies for every change.
func TestMonth_InShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, scale{seed: *seedFlag, topics: 16, batches: 12, round: 20 * time.Minute, bytes: 8 << 10, records: 6})
		w.run(8, patience{age: 4 * day, compact: 12 * time.Hour, size: 20 * 8 << 10})
	})
}

// run lets days pass, then looks at everything.
func (w *world) run(days int, late patience) (all []sample, what map[string]*found) {
	w.t.Helper()
	w.Put(w.Keys.ProducersNext(), []byte("2000000000")) // above the ids of idempotent producers
	began := time.Now()
	w.pass(time.Duration(days)*day, func(hour int) {
		all = append(all, w.sample())
		if hour%(5*24) == 0 {
			w.check(late)
			w.t.Logf("day %d: etcd %+v, bucket %+v", hour/24, total(all[len(all)-1].etcd), total(all[len(all)-1].bucket))
		}
	})
	if got := time.Since(began); got < time.Duration(days)*day {
		w.t.Errorf("only %v have passed", got)
	}
	what = w.check(late)
	w.fsck()
	w.t.Logf("%+v", w.done)
	for name, f := range what {
		w.t.Logf("%s: %+v", name, *f)
	}
	for _, kind := range []string{"settle", "merge", "own", "spill", "compact", "chill"} {
		if w.done.jobs[kind] < 3 {
			w.t.Errorf("%s ran %d times: nothing is shown", kind, w.done.jobs[kind])
		}
	}
	return all, what
}
