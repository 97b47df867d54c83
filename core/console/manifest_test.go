package console

import (
	"encoding/json"
	"testing"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
)

// settled puts a manifest of n objects, of ten offsets each, and a head that refers to it and to one shared span after it.
func (s *stage) settled(n int) {
	s.Helper()
	id := s.world.CreateTopic("t", 1)
	tp := record.TopicPartition{Topic: id}
	newID := func() (out [16]byte) { got, _ := s.instance.Stream.NewID(); return got }
	var entries []manifest.Entry
	for i := range n {
		base := record.Offset(10 * i)
		entries = append(entries, manifest.Entry{Span: ledger.Span{Segment: newID(), Place: ledger.InOwn, Tier: 1, Position: 8, Length: 1000, Base: base, End: base + 10, MaxTimestamp: int64(1000 + i)}})
	}
	root := manifest.Root{Entries: entries}
	m := root.Sums()
	m.ID = newID()
	if err := s.world.Disk.Put(s.Context(), ledger.ManifestKey(tp, m.ID), root.Encode()); err != nil {
		s.Fatal(err)
	}
	end := record.Offset(10 * n)
	h := ledger.Head{Next: end + 5, Manifest: &m, Spans: []ledger.Span{{Segment: newID(), Place: ledger.InShared, Position: 8, Length: 50, Base: end, End: end + 5, MaxTimestamp: 9000}}}
	s.world.Put(s.world.Keys.Head(id, 0), h.Encode())
	s.instance.Barrier()
}

func TestStorage_ShowsTheNewestOfAManifestAndCountsTheRest(t *testing.T) {
	for n, want := range map[int]struct {
		shown int
		left  int64
	}{3: {3, 0}, 200: {200, 0}, 900: {200, 700}} {
		s := newStage(t)
		s.settled(n)
		resp, text := s.get("api/topics/t/partitions/0/storage")
		var got storageJSON
		if err := json.Unmarshal([]byte(text), &got); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%d: %s %.200s %v", n, resp.Status, text, err)
		}
		if got.Manifest == nil || got.Manifest.Objects != int64(n) || got.Manifest.End != record.Offset(10*n) {
			t.Fatalf("%d: manifest %+v", n, got.Manifest)
		}
		if len(got.Settled) != want.shown || got.SettledLeft != want.left {
			t.Errorf("%d: %d are shown, %d left; want %+v", n, len(got.Settled), got.SettledLeft, want)
		}
		last := got.Settled[len(got.Settled)-1]
		if last.End != record.Offset(10*n) || last.Kind != "settled" || last.Tier != 1 || last.Key == "" {
			t.Errorf("%d: the last is %+v", n, last)
		}
		if len(got.Spans) != 1 || got.Spans[0].Kind != "shared" || !got.Spans[0].Covered {
			t.Errorf("%d: spans %+v", n, got.Spans)
		}
	}
}
