package maintain_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/maintain"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// The clock of one visit was a year ahead, and a step that always takes longer than there is time waits to be its turn: those that were
// tried in that visit are not the last ones for a year.
func TestVisit_AClockThatWasAheadTakesNoStepsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tp := record.TopicPartition{Topic: w.CreateTopic("a", 1)}
		w.write("a", tp, strings.Repeat("z", 600))
		w.change = func(s *maintain.Settings) { eager(s); s.JournalEvery, s.BackupEvery = 0, 0 }
		w.minute()
		w.visit(10 * time.Second)
		items := w.Items(w.Keys.Upkeep())
		state := map[string]json.RawMessage{}
		tried := map[string]int64{}
		if err := json.Unmarshal(items[0].Value, &state); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(state["tried"], &tried); err != nil {
			t.Fatal(err)
		}
		ahead := time.Now().Add(365 * 24 * time.Hour).UnixMilli()
		for step := range tried {
			if step != "sweep" { // it was not due then
				tried[step] = ahead
			}
		}
		state["tried"], _ = json.Marshal(tried)
		value, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		w.Put(w.Keys.Upkeep(), value)
		w.FaultStore(func(who string, op objectstore.Op, key string) (d objectstore.Decision) {
			if who[0] == 'm' && strings.HasPrefix(key, "segments/") && op == objectstore.OpList {
				d.Delay = time.Hour // sweep never ends
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
		for _, step := range []string{"transactions", "settle", "retain", "compact", "expire"} {
			if done[step] == 0 {
				t.Errorf("%q was never done: %v", step, done)
			}
		}
		w.clean()
	})
}
