package archive

import (
	"context"
	"iter"
	"slices"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
)

// Shelf is what one partition has settled for good, as of one head. What it gives is as its partition sees it: owners of another folder are
// filled in, so that Key(partition) names the object, and nothing reaches beyond the head's manifest end (a fork may share less than its source has).
type Shelf struct {
	archive *Archive
	tp      record.TopicPartition
	folder  record.TopicPartition // that holds the manifest
	end     record.Offset
	root    *manifest.Root
}

// Open reads the root of a head's manifest: at most one GET.
func (a *Archive) Open(ctx context.Context, tp record.TopicPartition, m *ledger.Manifest) (*Shelf, error) {
	root, err := a.Root(ctx, tp, m)
	if err != nil {
		return nil, err
	}
	return &Shelf{archive: a, tp: tp, folder: folderOf(tp, m), end: m.End, root: root}, nil
}

func folderOf(tp record.TopicPartition, m *ledger.Manifest) record.TopicPartition {
	if m.Owner != (record.TopicPartition{}) {
		return m.Owner
	}
	return tp
}

// Warm says whether a walk from offset would begin without a GET.
func (a *Archive) Warm(tp record.TopicPartition, m *ledger.Manifest, offset record.Offset) bool {
	v, ok := a.lookup(rootOf + m.Key(tp))
	if !ok {
		return false
	}
	root := v.(*manifest.Root)
	if i := root.PageAt(offset); i < len(root.Pages) {
		_, ok = a.lookup(pageOf + root.Pages[i].Key(folderOf(tp, m)))
	}
	return ok
}

// Known says whether the index of a settled object is remembered.
func (a *Archive) Known(key string) bool {
	_, ok := a.lookup(indexOf + key)
	return ok
}

// Root as it was read: its owners are not filled in.
func (s *Shelf) Root() *manifest.Root { return s.root }

// Pages are the keys of the pages, for who counts references. With Entries they and the root are all that the manifest names.
func (s *Shelf) Pages() (keys []string) {
	for i := range s.root.Pages {
		keys = append(keys, s.root.Pages[i].Key(s.folder))
	}
	return keys
}

// Entries walks the entries that end after from, in order. A page is read when the walk comes to it. An error ends it.
func (s *Shelf) Entries(ctx context.Context, from record.Offset) iter.Seq2[manifest.Entry, error] {
	return s.walk(ctx, from, func(*manifest.PageRef) bool { return true })
}

// FirstAt gives the first entry that ends after from and whose max timestamp is at least ms.
func (s *Shelf) FirstAt(ctx context.Context, from record.Offset, ms int64) (manifest.Entry, bool, error) {
	for e, err := range s.walk(ctx, from, func(p *manifest.PageRef) bool { return p.MaxTimestamp >= ms }) {
		if err != nil {
			return manifest.Entry{}, false, err
		}
		if e.MaxTimestamp >= ms {
			return e, true, nil
		}
	}
	return manifest.Entry{}, false, nil
}

// Page gives the entries of one page of Root.
func (s *Shelf) Page(ctx context.Context, ref manifest.PageRef) (out []manifest.Entry, err error) {
	entries, err := s.archive.Page(ctx, s.folder, ref)
	if err != nil {
		return nil, err
	}
	s.give(entries, ref.Base, ref.Folder(s.folder), func(e manifest.Entry, _ error) bool { out = append(out, e); return true })
	return out, nil
}

// Newest gives the entries that the root itself lists.
func (s *Shelf) Newest() (out []manifest.Entry) {
	s.give(s.root.Entries, s.root.Base(), s.folder, func(e manifest.Entry, _ error) bool { out = append(out, e); return true })
	return out
}

// Aborted gives the aborted transactions that overlap offsets from from to below to, of which entries are all that it
// was given.
//
// A fork that shares a part only has ends of its own for those that go on behind it: its head lists them.
func (s *Shelf) Aborted(entries []manifest.Entry, from, to record.Offset) []ledger.Aborted {
	out := manifest.AbortedIn(nil, s.root.Aborted, from, to)
	for i := range entries {
		out = manifest.AbortedIn(out, entries[i].Aborted, from, to)
	}
	if s.end < s.root.End() {
		out = slices.DeleteFunc(out, func(a ledger.Aborted) bool { return a.Last >= s.end })
	}
	return manifest.Merge(out)
}

// Compaction is how far log compaction has come; for a fork, of what the partition shares. A walk may be under way through what
// lies behind the manifest: it is not cut there.
func (s *Shelf) Compaction() manifest.Compaction {
	if s.end < s.root.End() {
		return s.root.Compaction.Cut(s.end)
	}
	return s.root.Compaction
}

// walk passes over pages that are not wanted without reading them.
func (s *Shelf) walk(ctx context.Context, from record.Offset, want func(*manifest.PageRef) bool) iter.Seq2[manifest.Entry, error] {
	return func(yield func(manifest.Entry, error) bool) {
		for i := s.root.PageAt(from); i < len(s.root.Pages); i++ {
			ref := s.root.Pages[i]
			if ref.Base >= s.end {
				return
			}
			if !want(&ref) {
				continue
			}
			entries, err := s.archive.Page(ctx, s.folder, ref)
			if err != nil {
				yield(manifest.Entry{}, err)
				return
			}
			if !s.give(entries, from, ref.Folder(s.folder), yield) {
				return
			}
		}
		s.give(s.root.Entries, from, s.folder, yield)
	}
}

// give yields entries of an object in a folder as the partition sees them.
func (s *Shelf) give(entries []manifest.Entry, from record.Offset, folder record.TopicPartition, yield func(manifest.Entry, error) bool) bool {
	for i := manifest.At(entries, from); i < len(entries); i++ {
		if entries[i].Base >= s.end {
			return false
		}
		e := entries[i].Cut(s.end)
		if e.Owner == (record.TopicPartition{}) && folder != s.tp {
			e.Owner = folder
		}
		if !yield(e, nil) {
			return false
		}
	}
	return true
}
