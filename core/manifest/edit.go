package manifest

import (
	"fmt"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

// What maintenance does to a manifest. Each gives another root and the pages to put before it; the root is put
// last, and only then may a head refer to it. What the new root does not name any more is for sweep to find.

// Change is the outcome. With nothing to do, Root is the one that was given.
type Change struct {
	Root  *Root
	Pages []NewPage
}

// NewPage is a page to put.
type NewPage struct {
	ID   ulid.ULID
	Body []byte
}

// Pager is what operations need from outside: ids for new pages, and what old ones hold.
type Pager struct {
	ID   func() (ulid.ULID, error)
	Load func(PageRef) ([]Entry, error) // its entries, as the page has them
}

// Append adds entries at the end, which must join it. aborted are the transactions that ended within the entries, and maybe
// others: each entry lists those that overlap it, and the root those that began before the first of them, for
// what was appended earlier.
func (r *Root) Append(entries []Entry, aborted []ledger.Aborted, p Pager) (Change, error) {
	if len(entries) == 0 {
		return Change{Root: r}, nil
	}
	if err := check(entries); err != nil {
		return Change{}, fmt.Errorf("append to manifest: %w", err)
	}
	from, to, empty := entries[0].Base, entries[len(entries)-1].End, len(r.Pages)+len(r.Entries) == 0
	if !empty && r.End() != from {
		return Change{}, fmt.Errorf("append entries from offset %d to a manifest to %d: %w", from, r.End(), ErrMismatch)
	}
	c := changer{pager: p, out: Change{Root: &Root{Pages: slices.Clone(r.Pages), Aborted: slices.Clone(r.Aborted), Compaction: r.Compaction}}}
	tail := slices.Concat(r.Entries, entries)
	for i := len(r.Entries); i < len(tail); i++ {
		tail[i].Aborted = Merge(AbortedIn(nil, aborted, tail[i].Base, tail[i].End))
	}
	for _, a := range aborted {
		if !empty && a.First < from && a.Last >= from && a.First < to {
			c.out.Root.Aborted = append(c.out.Root.Aborted, a)
		}
	}
	c.out.Root.Aborted = Merge(c.out.Root.Aborted)
	for len(tail) > PageEntries {
		c.page(tail[:PageEntries])
		tail = tail[PageEntries:]
	}
	c.out.Root.Entries = slices.Clip(tail)
	return c.done("append to manifest")
}

// Drop forgets the entries that lie wholly below start: retention. A page that start divides is written anew.
func (r *Root) Drop(start record.Offset, p Pager) (Change, error) {
	if r.Base() >= start {
		return Change{Root: r}, nil
	}
	first := r.PageAt(start)
	c := changer{pager: p, out: Change{Root: &Root{Aborted: slices.DeleteFunc(slices.Clone(r.Aborted), func(a ledger.Aborted) bool { return a.Last < start }), Compaction: r.Compaction}}}
	if first == len(r.Pages) {
		c.out.Root.Entries = slices.Clone(r.Entries[At(r.Entries, start):])
		if first == 0 && len(c.out.Root.Entries) == len(r.Entries) {
			return Change{Root: r}, nil
		}
		return c.done("drop from manifest")
	}
	kept := r.Pages[first:]
	if kept[0].Base < start {
		old := c.load(kept[0])
		if at := At(old, start); at > 0 && c.err == nil {
			c.page(old[at:])
			kept = kept[1:]
		} else if first == 0 && c.err == nil {
			return Change{Root: r}, nil
		}
	}
	c.out.Root.Pages = append(c.out.Root.Pages, kept...)
	c.out.Root.Entries = r.Entries
	return c.done("drop from manifest")
}

// Cut forgets what lies at or after end: what a fork at an earlier point does not share. Aborted transactions that go on behind end
// have another end in the fork, which its head lists.
func (r *Root) Cut(end record.Offset, p Pager) (Change, error) {
	if r.End() <= end {
		return Change{Root: r}, nil
	}
	c := changer{pager: p, out: Change{Root: &Root{Aborted: slices.DeleteFunc(slices.Clone(r.Aborted), func(a ledger.Aborted) bool { return a.Last >= end }), Compaction: r.Compaction.Cut(end)}}}
	whole := r.PageAt(end)
	c.out.Root.Pages = slices.Clone(r.Pages[:whole])
	tail := r.Entries
	if whole < len(r.Pages) {
		tail = nil
		if r.Pages[whole].Base < end {
			tail = c.load(r.Pages[whole])
		}
	}
	for i := range tail {
		if tail[i].Base < end {
			c.out.Root.Entries = append(c.out.Root.Entries, tail[i].Cut(end))
		}
	}
	return c.done("cut manifest")
}

// Cut is the progress of what lies below end: a walk that reaches beyond begins anew.
func (c Compaction) Cut(end record.Offset) Compaction {
	if c.Through <= end {
		return c
	}
	clean := min(c.Clean, end)
	return Compaction{Clean: clean, Through: clean, Done: min(c.Done, end)} // what was done stays rewritten
}

// UnderWay says that a walk has begun and not ended.
func (c Compaction) UnderWay() bool { return c.Through > c.Clean }

// Cut gives the entry without what lies at or after end.
func (e Entry) Cut(end record.Offset) Entry {
	if e.End <= end {
		return e
	}
	e.End = end
	for i := range e.Blocks {
		if e.Blocks[i].End < end {
			continue
		}
		e.Blocks = slices.Clone(e.Blocks[:i+1])
		e.Blocks[i].End = end
		e.Length = 0
		for k := range e.Blocks {
			e.Length += e.Blocks[k].Length
		}
		break
	}
	if len(e.Blocks) == 1 {
		e.Blocks = []segment.Block(nil)
	}
	var aborted []ledger.Aborted
	for _, a := range e.Aborted {
		if a.Last < end {
			aborted = append(aborted, a)
		}
	}
	e.Aborted = aborted
	return e
}

// Replace puts entries in the place of others: log compaction, chill. The old ones must be there as they are given, one after the
// other, or ErrMismatch; the new ones stand for the same offsets and bring their aborted transactions.
func (r *Root) Replace(old, with []Entry, p Pager) (Change, error) {
	if err := cmpExtents(old, with); err != nil {
		return Change{}, fmt.Errorf("replace in manifest: %w", err)
	}
	from, to := old[0].Base, old[len(old)-1].End
	first, last := r.PageAt(from), r.PageAt(to-1)
	c := changer{pager: p, out: Change{Root: &Root{Pages: slices.Clone(r.Pages[:first]), Aborted: r.Aborted, Compaction: r.Compaction}}}
	var touched []Entry
	for _, ref := range r.Pages[first:min(last+1, len(r.Pages))] {
		touched = append(touched, c.load(ref)...)
	}
	if last == len(r.Pages) {
		touched = append(touched, r.Entries...)
	}
	at := At(touched, from)
	if c.err == nil && (len(touched) < at+len(old) || !slices.EqualFunc(touched[at:at+len(old)], old, sameBytes)) {
		return Change{}, fmt.Errorf("replace %d entries from offset %d: not there any more: %w", len(old), from, ErrMismatch)
	}
	if c.err != nil {
		return c.done("replace in manifest")
	}
	touched = slices.Concat(touched[:at], with, touched[at+len(old):])
	if last == len(r.Pages) {
		for len(touched) > PageEntries {
			c.page(touched[:PageEntries])
			touched = touched[PageEntries:]
		}
		c.out.Root.Entries = touched
		return c.done("replace in manifest")
	}
	for pages := (len(touched) + PageEntries - 1) / PageEntries; pages > 0; pages-- {
		n := len(touched) / pages // evenly, or one would be left with an entry or two
		c.page(touched[:n])
		touched = touched[n:]
	}
	c.out.Root.Pages = append(c.out.Root.Pages, r.Pages[last+1:]...)
	c.out.Root.Entries = r.Entries
	return c.done("replace in manifest")
}

// Adopt gives the manifest of partition source as another partition's: what lies in the source's folder says so.
func (r *Root) Adopt(source record.TopicPartition) *Root {
	out := &Root{Pages: slices.Clone(r.Pages), Entries: Resolve(r.Entries, source), Aborted: r.Aborted, Compaction: r.Compaction}
	for i := range out.Pages {
		out.Pages[i].Owner = out.Pages[i].Folder(source)
	}
	return out
}

// Resolve gives entries of an object in the folder of partition folder with their owners filled in.
func Resolve(entries []Entry, folder record.TopicPartition) []Entry {
	out := slices.Clone(entries)
	for i := range out {
		if out[i].Owner == (record.TopicPartition{}) {
			out[i].Owner = folder
		}
	}
	return out
}

// sameBytes: the same offsets in the same place.
func sameBytes(a, b Entry) bool {
	return a.Place == b.Place && a.Segment == b.Segment && a.Owner == b.Owner && a.Position == b.Position && a.Length == b.Length && a.Base == b.Base && a.End == b.End
}

func cmpExtents(old, with []Entry) error {
	if len(old) == 0 || len(with) == 0 {
		return fmt.Errorf("%d entries by %d: %w", len(old), len(with), ErrMismatch)
	}
	for _, list := range [][]Entry{old, with} {
		if err := check(list); err != nil {
			return err
		}
	}
	if old[0].Base != with[0].Base || old[len(old)-1].End != with[len(with)-1].End {
		return fmt.Errorf("offsets %d to %d by %d to %d: %w", old[0].Base, old[len(old)-1].End, with[0].Base, with[len(with)-1].End, ErrMismatch)
	}
	return nil
}

// check: entries are settled spans that join.
func check(entries []Entry) error {
	for i := range entries {
		e := &entries[i]
		if !e.Settled() || e.Inline != nil || e.Base < 0 || e.End <= e.Base || e.Length < 0 || i > 0 && entries[i-1].End != e.Base {
			return fmt.Errorf("entry %d of %d, offsets %d to %d: %w", i, len(entries), e.Base, e.End, ErrMismatch)
		}
	}
	return nil
}
