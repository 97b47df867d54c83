package maintain_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/sweep"
)

var daysFlag = flag.Int("days", 2, "how long TestVisit_DaysWithoutAnyBroker lasts")

// A cluster lives on functions that are cold each time: one that produces, and one visit of maintenance each minute. etcd stays as small as it
// was, what expires goes, what nobody refers to goes, and what is kept is in large objects.
func TestVisit_DaysWithoutAnyBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		long := record.TopicPartition{Topic: w.CreateTopic("long", 1, "retention.ms", "-1")}
		short := record.TopicPartition{Topic: w.CreateTopic("short", 1, "retention.ms", "21600000")} // six hours
		orphan, err := ulid.New(ulid.Timestamp(time.Now().Add(time.Minute)), ulid.DefaultEntropy())
		if err == nil {
			err = w.Disk.Put(t.Context(), ledger.SegmentKey(orphan), []byte("nobody's"))
		}
		if err != nil {
			t.Fatal(err)
		}
		done := map[string]int{}
		var early, late, lateBytes int
		minutes := *daysFlag * 24 * 60
		for m := range minutes {
			w.minute()
			w.write("long", long, fmt.Sprintf("%d %s", m, strings.Repeat("x", 100)))
			w.write("short", short, fmt.Sprintf("%d %s", m, strings.Repeat("y", 100)))
			r := w.visit(60 * time.Second)
			if len(r.Failed) > 0 || r.HeldBy != "" {
				t.Fatalf("minute %d: %+v", m, r)
			}
			for _, d := range r.Done {
				done[d.Step]++
			}
			n, bytes := w.keys()
			if m < minutes/2 {
				early = max(early, n)
			} else {
				late, lateBytes = max(late, n), max(lateBytes, bytes)
			}
		}
		t.Logf("etcd: at most %d keys, then %d (%d bytes); bucket: %d segments, %d settled, %d manifests, %d journal, %d dockets; steps %v", early, late, lateBytes,
			w.objects(ledger.SegmentPrefix), w.objects(ledger.SettledPrefix), w.objects(ledger.ManifestPrefix), w.objects("journal/"), w.objects(sweep.DocketPrefix), done)
		if late > early+4 || late > 40 {
			t.Errorf("etcd grows: at most %d keys, then %d", early, late)
		}
		if got := w.objects(ledger.SegmentKey(orphan)); got != 0 {
			t.Error("the orphan is still there")
		}
		if n := w.objects(ledger.SegmentPrefix); n > 2*24*61+200 { // those that a day's backups name
			t.Errorf("%d segments are left", n)
		}
		if start := w.readsAll(long); start != 0 {
			t.Errorf("%d records are gone that nothing lets go", start)
		}
		if left := minutes - w.readsAll(short); left > 6*60+150 || left < 6*60 {
			t.Errorf("%d records are left of a retention of six hours", left)
		}
		for _, step := range []string{"stamp", "floor", "checkpoint", "trim", "journal", "backup", "transactions", "members", "groups", "settle", "retain", "compact", "expire", "chill", "sweep", "sweep settled"} {
			if done[step] == 0 {
				t.Errorf("step %q never came to its end", step)
			}
		}
		// Of a day and an hour's backups; dockets of the last rounds.
		if n := w.objects("journal/"); n < 60 || n > 3*60 {
			t.Errorf("%d journal objects", n)
		}
		if n := w.objects(sweep.DocketPrefix); n > 8 {
			t.Errorf("%d dockets", n)
		}
		w.clean()
	})
}
