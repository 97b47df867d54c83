package manifest

import (
	"errors"
	"slices"
	"testing"

	"github.com/oklog/ulid/v2"
	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

// shelf keeps pages as a bucket would.
type shelf struct {
	pages map[ulid.ULID][]byte
	last  uint64
	loads int
}

func newShelf() *shelf { return &shelf{pages: map[ulid.ULID][]byte{}} }

func (s *shelf) pager() Pager {
	return Pager{
		ID: func() (id ulid.ULID, err error) {
			s.last++
			err = id.SetTime(s.last)
			return id, err
		},
		Load: func(ref PageRef) ([]Entry, error) {
			s.loads++
			return DecodePage(s.pages[ref.ID])
		},
	}
}

// put stores a change's pages and gives its root as it reads back.
func (s *shelf) put(t rapid.TB, c Change, err error) *Root {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Pages {
		s.pages[p.ID] = p.Body
	}
	root, err := Decode(c.Root.Encode())
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// all reads every entry.
func (s *shelf) all(t rapid.TB, r *Root) (out []Entry) {
	t.Helper()
	for _, ref := range r.Pages {
		entries, err := DecodePage(s.pages[ref.ID])
		if err != nil {
			t.Fatal(err)
		}
		if got := (&Root{Entries: entries}).Sums(); got.Base != ref.Base || got.End != ref.End || got.Bytes != ref.Bytes || got.Objects != ref.Objects || got.MaxTimestamp != ref.MaxTimestamp {
			t.Fatalf("page %+v has %+v", ref, got)
		}
		if len(entries) > PageEntries {
			t.Fatalf("page of %d entries", len(entries))
		}
		if ref.Owner != (record.TopicPartition{}) {
			entries = Resolve(entries, ref.Owner)
		}
		out = append(out, entries...)
	}
	if len(r.Entries) > PageEntries {
		t.Fatalf("root with %d entries", len(r.Entries))
	}
	return append(out, r.Entries...)
}

func (e Entry) equal(o Entry) bool {
	return sameBytes(e, o) && e.Tier == o.Tier && e.MaxTimestamp == o.MaxTimestamp && slices.Equal(e.Blocks, o.Blocks) && slices.Equal(e.Aborted, o.Aborted)
}

func checkEntries(t rapid.TB, got, want []Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range got {
		if !got[i].equal(want[i]) {
			t.Fatalf("entry %d\ngot  %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

// entriesFrom draws entries that join, from an offset on.
func entriesFrom(t *rapid.T, at record.Offset, n int) (out []Entry) {
	for range n {
		size := record.Offset(rapid.Int64Range(1, 1000).Draw(t, "offsets"))
		e := Entry{Span: ledger.Span{
			Place: rapid.SampledFrom([]ledger.Place{ledger.InOwn, ledger.InCold, ledger.InShared}).Draw(t, "place"), Tier: 4,
			Segment:  ulid.ULID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
			Position: rapid.Int64Range(0, 1<<30).Draw(t, "position"), Length: rapid.Int64Range(0, 1<<26).Draw(t, "length"),
			Base: at, End: at + size, MaxTimestamp: rapid.Int64().Draw(t, "stamp"),
		}}
		if rapid.IntRange(0, 3).Draw(t, "foreign") == 0 {
			e.Owner = record.TopicPartition{Topic: record.TopicID{9}, Partition: 7}
		}
		if size > 2 && e.Length > 2 && rapid.Bool().Draw(t, "blocks") {
			half := e.Length / 2
			e.Blocks = []segment.Block{{Length: half, End: at + 1, MaxTimestamp: 5}, {Length: e.Length - half, End: at + size - 1, MaxTimestamp: e.MaxTimestamp}}
		}
		out = append(out, e)
		at = e.End
	}
	return out
}

// Every change leaves just what a plain list would have.
func TestChanges_LeaveWhatAListWouldHave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, root := newShelf(), &Root{}
		var list []Entry
		at := record.Offset(rapid.Int64Range(0, 1<<40).Draw(t, "base"))
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			what := rapid.IntRange(0, 3).Draw(t, "what")
			if len(list) == 0 {
				what = 0
			}
			switch what {
			case 0:
				more := entriesFrom(t, at, rapid.SampledFrom([]int{1, 16, 100, 300}).Draw(t, "n"))
				c, err := root.Append(more, nil, s.pager())
				root = s.put(t, c, err)
				list, at = append(list, more...), more[len(more)-1].End
			case 1:
				start := record.Offset(rapid.Int64Range(int64(list[0].Base), int64(at)).Draw(t, "start"))
				before := s.loads
				c, err := root.Drop(start, s.pager())
				root = s.put(t, c, err)
				if s.loads > before+1 {
					t.Fatalf("%d pages loaded to drop", s.loads-before)
				}
				list = list[At(list, start):]
			case 2:
				from := rapid.IntRange(0, len(list)-1).Draw(t, "from")
				to := min(len(list), from+rapid.SampledFrom([]int{1, 3, 300}).Draw(t, "count"))
				old := slices.Clone(list[from:to])
				var with []Entry
				for _, e := range old { // each in two, or all in one
					if e.End-e.Base > 1 && rapid.IntRange(0, 9).Draw(t, "split") == 0 {
						a, b := e, e
						a.End, b.Base, a.Blocks, b.Blocks = e.Base+1, e.Base+1, nil, nil
						with = append(with, a, b)
						continue
					}
					e.Tier, e.Segment, e.Place, e.Owner = 9, ulid.ULID{1}, ledger.InOwn, record.TopicPartition{}
					with = append(with, e)
				}
				c, err := root.Replace(old, with, s.pager())
				root = s.put(t, c, err)
				list = slices.Concat(list[:from], with, list[to:])
			case 3:
				end := record.Offset(rapid.Int64Range(int64(list[0].Base), int64(at)).Draw(t, "end"))
				c, err := root.Cut(end, s.pager())
				root = s.put(t, c, err)
				var kept []Entry
				for _, e := range list {
					if e.Base < end {
						kept = append(kept, e.Cut(end))
					}
				}
				if list = kept; len(list) > 0 {
					at = list[len(list)-1].End
				}
			}
			checkEntries(t, s.all(t, root), list)
			want := (&Root{Entries: list}).Sums()
			if got := root.Sums(); got != want {
				t.Fatalf("sums %+v, want %+v", got, want)
			}
		}
	})
}

func TestChanges_KeepTheProgressOfCompaction(t *testing.T) {
	s := newShelf()
	entry := func(base, end record.Offset) Entry {
		return Entry{Span: ledger.Span{Place: ledger.InOwn, Segment: ulid.ULID{byte(base)}, Base: base, End: end}}
	}
	want := Compaction{Clean: 10, Through: 25, Done: 5}
	root := &Root{Entries: []Entry{entry(0, 10), entry(10, 20), entry(20, 30)}, Compaction: want}
	check := func(what string, c Change, err error, want Compaction) {
		t.Helper()
		if got := s.put(t, c, err); got.Compaction != want {
			t.Errorf("%s: %+v, want %+v", what, got.Compaction, want)
		}
	}
	c, err := root.Append([]Entry{entry(30, 40)}, nil, s.pager())
	check("append", c, err, want)
	c, err = root.Drop(15, s.pager())
	check("drop", c, err, want)
	c, err = root.Replace(root.Entries[:1], root.Entries[:1], s.pager())
	check("replace", c, err, want)
	c, err = root.Cut(25, s.pager())
	check("cut behind the walk", c, err, want)
	c, err = root.Cut(24, s.pager())
	check("cut within the walk", c, err, Compaction{Clean: 10, Through: 10, Done: 5})
	c, err = root.Cut(7, s.pager())
	check("cut what was clean", c, err, Compaction{Clean: 7, Through: 7, Done: 5})
}

func TestReplace_RefusesWhatIsNotThereAnyMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf()
		list := entriesFrom(t, 0, 600)
		c, err := (&Root{}).Append(list, nil, s.pager())
		root := s.put(t, c, err)
		i := rapid.IntRange(0, len(list)-1).Draw(t, "entry")
		other := list[i]
		switch rapid.IntRange(0, 3).Draw(t, "field") {
		case 0:
			other.Segment[15]++
		case 1:
			other.Position++
		case 2:
			other.Length++
		case 3:
			other.Owner.Partition++
		}
		if _, err := root.Replace([]Entry{other}, []Entry{list[i]}, s.pager()); !errors.Is(err, ErrMismatch) {
			t.Fatal(err)
		}
		short := list[i]
		short.End++
		if _, err := root.Replace([]Entry{list[i]}, []Entry{short}, s.pager()); !errors.Is(err, ErrMismatch) {
			t.Fatalf("other offsets: %v", err)
		}
		if _, err := root.Append(list[:1], nil, s.pager()); !errors.Is(err, ErrMismatch) {
			t.Fatalf("entries that do not join: %v", err)
		}
	})
}

func TestAppend_ListsAbortedTransactionsWithWhatTheyOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, root := newShelf(), &Root{}
		var all []ledger.Aborted
		at := record.Offset(0)
		for range rapid.IntRange(1, 5).Draw(t, "spills") {
			more := entriesFrom(t, at, rapid.SampledFrom([]int{1, 16, 300}).Draw(t, "n"))
			end := more[len(more)-1].End
			var ended []ledger.Aborted
			for i := range rapid.IntRange(0, 6).Draw(t, "aborted") {
				last := record.Offset(rapid.Int64Range(int64(at), int64(end)-1).Draw(t, "last"))
				ended = append(ended, ledger.Aborted{Producer: record.ProducerID(i), First: record.Offset(rapid.Int64Range(0, int64(last)).Draw(t, "first")), Last: last})
			}
			c, err := root.Append(more, ended, s.pager())
			root = s.put(t, c, err)
			all, at = append(all, ended...), end
		}
		entries := s.all(t, root)
		for range 20 {
			from := rapid.IntRange(0, len(entries)-1).Draw(t, "from")
			to := min(from+rapid.IntRange(1, 40).Draw(t, "entries"), len(entries))
			a, b := entries[from].Base, entries[to-1].End
			got := AbortedIn(nil, root.Aborted, a, b)
			for _, e := range entries[from:to] {
				got = AbortedIn(got, e.Aborted, a, b)
			}
			got, want := Merge(got), Merge(AbortedIn(nil, all, a, b))
			if !slices.Equal(got, want) {
				t.Fatalf("in %d to %d: %v, want %v", a, b, got, want)
			}
		}
	})
}

func TestAdopt_ResolvesToTheSourcesFolder(t *testing.T) {
	source, fork := record.TopicPartition{Topic: record.TopicID{1}, Partition: 4}, record.TopicPartition{Topic: record.TopicID{2}}
	s := newShelf()
	var list []Entry
	for i := range record.Offset(700) {
		list = append(list, Entry{Span: ledger.Span{Place: ledger.InOwn, Segment: ulid.ULID{byte(i)}, Base: i, End: i + 1, Length: 100}})
	}
	c, err := (&Root{}).Append(list[:600], nil, s.pager())
	root := s.put(t, c, err)
	c, err = root.Adopt(source).Append(list[600:], nil, s.pager())
	mine := s.put(t, c, err)
	for i, p := range mine.Pages {
		if want := ledger.ManifestKey(source, p.ID); i < 2 && p.Key(fork) != want {
			t.Errorf("shared page %s, want %s", p.Key(fork), want)
		}
	}
	check := func(root *Root, shared record.Offset) {
		t.Helper()
		for _, e := range s.all(t, root) {
			owner := fork
			if e.Base < shared {
				owner = source
			}
			if want := ledger.ObjectKey(ledger.InOwn, owner, e.Segment); e.Key(fork) != want {
				t.Fatalf("entry at %d is %s, want %s", e.Base, e.Key(fork), want)
			}
		}
	}
	check(mine, 600)
	c, err = mine.Drop(100, s.pager()) // a shared page is divided: what is left lies in the fork's folder
	mine = s.put(t, c, err)
	check(mine, 600)
	if mine.Pages[0].Owner != (record.TopicPartition{}) || mine.Pages[1].Owner != source {
		t.Errorf("owners %v, %v", mine.Pages[0].Owner, mine.Pages[1].Owner)
	}
}

func TestRoot_ATerabyteIsSmall(t *testing.T) {
	s, root := newShelf(), &Root{}
	at, largest := record.Offset(0), 0
	for range 1024 { // a GiB each
		var more []Entry
		for range 16 {
			e := Entry{Span: ledger.Span{Place: ledger.InOwn, Tier: 4, Segment: ulid.ULID{1, 2, 3}, Position: 8, Length: 64 << 20, Base: at, End: at + 65_000, MaxTimestamp: 1700000000000 + int64(at)}}
			for i := range 16 {
				e.Blocks = append(e.Blocks, segment.Block{Length: 4 << 20, End: at + record.Offset(4062*(i+1)), MaxTimestamp: e.MaxTimestamp - int64(16-i)*4000})
			}
			more, at = append(more, e), e.End
		}
		c, err := root.Append(more, nil, s.pager())
		root = s.put(t, c, err)
		largest = max(largest, len(root.Encode()))
	}
	page := len(s.pages[root.Pages[0].ID])
	t.Logf("1 TiB: %d pages of %d bytes, root at most %d bytes", len(root.Pages), page, largest)
	if len(root.Pages) > 64 || page > 72<<10 || largest > 80<<10 {
		t.Error("larger than docs/decisions/settling.md says")
	}
}
