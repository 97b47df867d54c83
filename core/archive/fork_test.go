package archive_test

import (
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
)

// What the source aborted at or behind a fork's end is none of the fork's: a producer may have begun anew there.
func TestAborted_AForkIsToldOfWhatEndedBeforeItsOwnEnd(t *testing.T) {
	b := newBucket(t)
	root := &manifest.Root{
		Entries: []manifest.Entry{{Span: ledger.Span{Segment: b.id(), Place: ledger.InOwn, Position: 8, Length: 10, End: 100}, Aborted: []ledger.Aborted{{Producer: 3, First: 20, Last: 30}, {Producer: 4, First: 30, Last: 70}}}},
		Aborted: []ledger.Aborted{{Producer: 5, First: 60, Last: 80}},
	}
	m := root.Sums()
	m.ID = ulid.ULID{9}
	b.put(ledger.ManifestKey(part(0), m.ID), root.Encode())
	for end, want := range map[record.Offset]int{100: 3, 40: 1} {
		fork := m
		fork.Owner, fork.End = part(0), end
		shelf := open(t, archive.New(b.store, 1<<20), part(5), &fork)
		if got := shelf.Aborted(shelf.Newest(), 0, 1000); len(got) != want {
			t.Errorf("end %d: %v", end, got)
		}
	}
}
