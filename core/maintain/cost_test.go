package maintain_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/core/record"
)

// What an hour of visits sends when nothing happens: 60 cold ones, of a cluster with data. What they send is what they cost.
func TestVisit_AnIdleHourSendsFewRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tp := record.TopicPartition{Topic: w.CreateTopic("a", 1)}
		for range 120 {
			w.minute()
			w.write("a", tp, strings.Repeat("x", 500))
			w.visit(time.Minute)
		}
		for range 120 {
			w.minute()
			w.visit(time.Minute)
		}
		w.Transcript()
		kinds := map[string]int{}
		for range 60 {
			time.Sleep(time.Minute)
			w.visit(time.Minute)
		}
		for _, line := range w.Transcript() {
			fields := strings.Fields(line)
			kinds[fields[1]+" "+fields[2]]++
		}
		t.Logf("an idle hour of 60 visits: %v", kinds)
		for kind, most := range map[string]int{"store put": 10, "store list": 350, "store get": 350, "kv commit": 60 * 9} {
			if kinds[kind] > most {
				t.Errorf("%d times %q, want at most %d", kinds[kind], kind, most)
			}
		}
	})
}
