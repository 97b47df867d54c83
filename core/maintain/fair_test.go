package maintain_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/maintain"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// A step that always takes longer than there is time does not keep the others from their turn.
func TestVisit_AStepThatNeverEndsKeepsNoOtherFromItsTurn(t *testing.T) {
	for _, stuck := range []string{"segments/", "settled/"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			tp := record.TopicPartition{Topic: w.CreateTopic("a", 1)}
			for range 50 {
				w.write("a", tp, strings.Repeat("z", 600))
			}
			w.change = func(s *maintain.Settings) { eager(s); s.JournalEvery, s.BackupEvery = 0, 0 }
			w.FaultStore(func(who string, op objectstore.Op, key string) (d objectstore.Decision) {
				if who[0] == 'm' && strings.HasPrefix(key, stuck) && op == objectstore.OpList {
					d.Delay = time.Hour
				}
				return d
			})
			done := map[string]int{}
			for range 40 {
				w.minute()
				for _, d := range w.visit(10 * time.Second).Done {
					done[d.Step]++
				}
			}
			for _, step := range []string{"checkpoint", "transactions", "settle", "retain", "compact", "expire", "chill", "groups"} {
				if done[step] == 0 {
					t.Errorf("listing %s never ends, and %q was never done: %v", stuck, step, done)
				}
			}
			w.clean()
		})
	}
}

// Two environments that take turns remember nothing of the journal that the other one has written since, and miss nothing.
func TestVisit_EnvironmentsThatTakeTurnsWriteTheJournalWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tp := record.TopicPartition{Topic: w.CreateTopic("a", 1)}
		a, b := w.maintainer("ma"), w.maintainer("mb")
		for n := range 90 {
			w.minute()
			w.write("a", tp, strings.Repeat("z", 60))
			m := a
			if n/10%2 == 1 { // for ten minutes each: longer than etcd keeps history
				m = b
			}
			if r, err := m.Visit(t.Context()); err != nil || len(r.Failed) > 0 {
				t.Fatalf("%v %+v", err, r)
			}
		}
		if n := w.objects("backups/parts/"); n > 5 {
			t.Errorf("%d backups in 90 minutes: the journal was lost each turn", n)
		}
		w.clean()
	})
}

// A job for which there is not enough time is not begun, and the report says how much it takes.
func TestVisit_AJobThatCannotBeEndedIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tp := record.TopicPartition{Topic: w.CreateTopic("a", 1)}
		for range 50 {
			w.write("a", tp, strings.Repeat("z", 600))
		}
		w.change = func(s *maintain.Settings) { s.BytesPerSecond, s.SettleAge = 1<<10, time.Minute } // 30 KiB
		for range 3 {
			w.minute()
			if r := w.visit(10 * time.Second); r.SettledBytes > 0 {
				t.Errorf("settled in ten seconds: %+v", r)
			}
		}
		r := w.visit(10 * time.Second)
		if r.SettleLeftForBytes < 20<<10 || r.SettleLeftForMillis < 20_000 || r.Again {
			t.Errorf("the report says nothing of what takes too long: %+v", r)
		}
		if r := w.visit(5 * time.Minute); r.SettledBytes == 0 {
			t.Errorf("there was time, and nothing was settled: %+v", r)
		}
	})
}
