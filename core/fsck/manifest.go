package fsck

import (
	"context"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// isDamage says that an error of reading a manifest is about its bytes, and not about the way to them.
func isDamage(err error) bool {
	return errors.Is(err, manifest.ErrCorrupt) || errors.Is(err, manifest.ErrVersion) || errors.Is(err, objectstore.ErrNotFound)
}

// manifest walks what a partition has settled for good: each object is told to object, each entry to entry. What cannot be read is a
// finding; an error says that the store cannot be reached.
func (p *part) manifest(ctx context.Context, a *archive.Archive, f *found, object func(key string) error, entry func(*manifest.Entry) error) error {
	m := p.state.Manifest()
	if m == nil {
		return nil
	}
	if err := object(m.Key(p.tp)); err != nil {
		return err
	}
	shelf, err := a.Open(ctx, p.tp, m)
	if err != nil {
		return unreadable(f, err, m)
	}
	sums := ledger.Manifest{ID: m.ID, Owner: m.Owner, Base: m.Base, End: m.End}
	add := func(e *manifest.Entry) error {
		if sums.Bytes, sums.Objects = sums.Bytes+e.Length, sums.Objects+1; sums.Objects == 1 || e.MaxTimestamp > sums.MaxTimestamp {
			sums.MaxTimestamp = e.MaxTimestamp
		}
		checkEntry(f, e)
		return entry(e)
	}
	for i, key := range shelf.Pages() {
		ref := shelf.Root().Pages[i]
		if ref.Base >= m.End {
			break
		}
		if err := object(key); err != nil {
			return err
		}
		entries, err := shelf.Page(ctx, ref)
		if err != nil {
			return unreadable(f, err, m)
		}
		if err := page256(f, key, &ref, entries, m, add); err != nil {
			return err
		}
	}
	newest := shelf.Newest()
	for i := range newest {
		if err := add(&newest[i]); err != nil {
			return err
		}
	}
	checkRoot(f, p, m, shelf.Root(), &sums)
	return nil
}

// unreadable makes a finding of a manifest that is damaged.
func unreadable(f *found, err error, m *ledger.Manifest) error {
	if !isDamage(err) {
		return err
	}
	kind := ManifestBad
	if errors.Is(err, objectstore.ErrNotFound) {
		kind = Missing
	}
	f.add(kind, "manifest of offsets %d to %d: %v", m.Base, m.End-1, err)
	return nil
}

// page256 holds the entries of a page against what its root says.
func page256(f *found, key string, ref *manifest.PageRef, entries []manifest.Entry, m *ledger.Manifest, add func(*manifest.Entry) error) error {
	got := manifest.PageRef{ID: ref.ID, Owner: ref.Owner, Base: ref.Base, End: ref.End}
	for i := range entries {
		e := &entries[i]
		if got.Bytes, got.Objects = got.Bytes+e.Length, got.Objects+1; i == 0 || e.MaxTimestamp > got.MaxTimestamp {
			got.MaxTimestamp = e.MaxTimestamp
		}
		if err := add(e); err != nil {
			return err
		}
	}
	if got != *ref && ref.End <= m.End {
		f.add(ManifestSums, "%s: its root says %+v, it is %+v", key, *ref, got)
	}
	return nil
}

func checkEntry(f *found, e *manifest.Entry) {
	for _, a := range e.Aborted {
		if a.Last < a.First || a.Last < e.Base || a.First >= e.End {
			f.add(AbortedList, "entry of offsets %d to %d lists the aborted transaction %d to %d", e.Base, e.End-1, a.First, a.Last)
		}
	}
}

// checkRoot holds the root against its head, and its own lists.
func checkRoot(f *found, p *part, m *ledger.Manifest, root *manifest.Root, sums *ledger.Manifest) {
	switch {
	case m.Owner != record.TopicPartition{}: // a fork may share a part of it
		if root.Base() > m.Base {
			f.add(ManifestSums, "%s begins at offset %d, the head says %d", m.Key(p.tp), root.Base(), m.Base)
		}
	case root.Base() != m.Base || root.End() != m.End || *sums != *m:
		f.add(ManifestSums, "%s: the head says %s, it is %s", m.Key(p.tp), sumsOf(m), sumsOf(sums))
	}
	if m.End > p.state.Next() {
		f.add(HeadRange, "the manifest goes up to offset %d, the end is %d", m.End, p.state.Next())
	}
	for _, a := range root.Aborted {
		if a.Last < a.First || a.First >= root.End() { // its marker may lie behind what was spilled so far
			f.add(AbortedList, "the manifest of offsets %d to %d lists the aborted transaction %d to %d", root.Base(), root.End()-1, a.First, a.Last)
		}
	}
	if c := root.Compaction; c.Clean > root.End() || c.Through < c.Clean {
		f.add(ManifestSums, "%s: log compaction is at %+v, the manifest ends at %d", m.Key(p.tp), c, root.End())
	}
}

func sumsOf(m *ledger.Manifest) string {
	return fmt.Sprintf("offsets %d to %d, %d bytes in %d objects, up to %d ms", m.Base, m.End-1, m.Bytes, m.Objects, m.MaxTimestamp)
}
