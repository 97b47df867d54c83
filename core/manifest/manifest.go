// Package manifest is the list of what a partition has settled for good: where each stretch of its offsets lies, for
// any number of objects, and found with two small reads at any age.
//
//	head ─► root ─► pages, each 256 entries, never changed
//	          └──► up to 256 entries of its own, the newest
//
// An entry is a span (ledger.Span) of a settled object with its blocks, so that a seek to any offset or time reads root, page and
// block; and with the aborted transactions that overlap it, so that data and what is aborted in it come from one place. Entries join
// without a gap: each stands for all offsets from its base to its end, whatever log compaction left of them.
//
// Objects are immutable. Append, Drop, Cut and Replace give another root and the pages to put before it; a page that is not
// touched is shared by all roots that name it. Keys: an entry or page without an owner lies in the folder of the partition whose
// folder holds the manifest (ledger.Manifest.Owner, or the partition itself). A fork refers to the manifest of its source
// and resolves against the source; before it writes a root of its own it Adopts what it shares.
//
// Owns: the bytes of roots and pages, and what may be done with them. Does not own: who reads them (core/archive), when they
// are written and how the head comes to refer to them, ids. It does no I/O.
//
// # The root
//
// n is an unsigned, z a signed varint (encoding/binary); base offsets follow from the extents, so that entries cannot but join.
//
//	8 bytes   magic "FIRNROOT"
//	1 byte    version, 1
//	n         base offset of the first page or entry
//	n         number of pages, each:
//	 16 bytes  id
//	 1 byte    0, or 1: in another partition's folder, then topic 16 bytes, partition n
//	 n n n     offsets (end - base), bytes that it lists, entries
//	 z         max timestamp - that of the page before (at first 0), ms
//	n         number of entries, each:
//	 1 byte    place (ledger.Place)
//	 1 byte    tier
//	 16 bytes  id of the object
//	 1 byte    0, or 1: in another partition's folder, then topic 16 bytes, partition n
//	 n n n     position, length, offsets (end - base)
//	 z         max timestamp - that of the entry before (at first 0), ms
//	 n         blocks, as in the footer of a settled object (core/segment)
//	 n         aborted transactions that overlap it, each: producer n, first z (- base of the entry), last n (- first)
//	n         aborted transactions that overlap entries of more than one Append, each: producer n, first n, last n (- first)
//	n n n     log compaction: clean, through (- clean), done
//	4 bytes   CRC-32C of all before, big endian
//
// # The page
//
//	8 bytes   magic "FIRNPAGE"
//	1 byte    version, 1
//	n         base offset of the first entry
//	n         number of entries, each as above
//	4 bytes   CRC-32C of all before, big endian
package manifest

import (
	"cmp"
	"errors"
	"slices"
	"sort"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

// Errors, asked for with errors.Is.
var (
	// ErrCorrupt: the bytes are no undamaged root or page.
	ErrCorrupt = errors.New("corrupt manifest")
	// ErrVersion: a manifest of a format that this version does not know.
	ErrVersion = errors.New("unknown manifest format version")
	// ErrMismatch: entries that do not join what is there, or that are not there as they should be.
	ErrMismatch = errors.New("entries do not fit the manifest")
)

// PageEntries is how many entries a page holds, and a root besides its pages, at most.
const PageEntries = 256

// Entry is a stretch of the partition in one settled object.
type Entry struct {
	ledger.Span                  // settled; Revision and Inline are empty
	Blocks      []segment.Block  // none: it is one block
	Aborted     []ledger.Aborted // those that overlap it, by first offset
}

// PageRef is what a root knows of a page.
type PageRef struct {
	ID           ulid.ULID
	Owner        record.TopicPartition // whose folder it lies in, when that is not the root's; else zero
	Base, End    record.Offset
	Bytes        int64 // of the spans that it lists
	Objects      int64 // entries
	MaxTimestamp int64 // ms
}

// Folder is the partition whose folder holds the page, in a manifest of the folder of partition root.
func (p *PageRef) Folder(root record.TopicPartition) record.TopicPartition {
	if p.Owner != (record.TopicPartition{}) {
		return p.Owner
	}
	return root
}

// Key names the page's object, in a manifest of the folder of partition root.
func (p *PageRef) Key(root record.TopicPartition) string {
	return ledger.ManifestKey(p.Folder(root), p.ID)
}

// Root is a whole manifest. It is never changed: operations give another.
type Root struct {
	Pages   []PageRef
	Entries []Entry          // after the pages
	Aborted []ledger.Aborted // those that overlap entries of more than one Append, by first offset
	// Compaction is how far log compaction has come; zero where there is none.
	Compaction Compaction
}

// Compaction is the progress of log compaction (core/compact), which survives restarts here.
type Compaction struct {
	Clean   record.Offset // what lies below was compacted with all that lies below: the rest is dirty
	Through record.Offset // a walk is under way with the keys from Clean to here; as Clean: none is
	Done    record.Offset // the walk has rewritten what lies below
}

// Base is the offset of the first entry; 0 for an empty manifest.
func (r *Root) Base() record.Offset {
	switch {
	case len(r.Pages) > 0:
		return r.Pages[0].Base
	case len(r.Entries) > 0:
		return r.Entries[0].Base
	}
	return 0
}

// End is the offset after the last entry.
func (r *Root) End() record.Offset {
	if n := len(r.Entries); n > 0 {
		return r.Entries[n-1].End
	}
	return r.pagesEnd()
}

func (r *Root) pagesEnd() record.Offset {
	if n := len(r.Pages); n > 0 {
		return r.Pages[n-1].End
	}
	return r.Base()
}

// Sums is what a head says of this manifest, without id and owner.
func (r *Root) Sums() ledger.Manifest {
	m := ledger.Manifest{Base: r.Base(), End: r.End()}
	first := true
	add := func(bytes, objects, stamp int64) {
		m.Bytes += bytes
		m.Objects += objects
		if first || stamp > m.MaxTimestamp {
			m.MaxTimestamp, first = stamp, false
		}
	}
	for i := range r.Pages {
		add(r.Pages[i].Bytes, r.Pages[i].Objects, r.Pages[i].MaxTimestamp)
	}
	for i := range r.Entries {
		add(r.Entries[i].Length, 1, r.Entries[i].MaxTimestamp)
	}
	return m
}

// PageAt is the index of the page that holds offset, or of the first one after it; len(Pages) when the root's own entries do.
func (r *Root) PageAt(offset record.Offset) int {
	return sort.Search(len(r.Pages), func(i int) bool { return r.Pages[i].End > offset })
}

// At is the index of the entry that holds offset, or of the first one after it.
func At(entries []Entry, offset record.Offset) int {
	return sort.Search(len(entries), func(i int) bool { return entries[i].End > offset })
}

// AbortedIn adds the transactions of list that overlap offsets from from to below to. Merge puts several such lists in order.
func AbortedIn(out, list []ledger.Aborted, from, to record.Offset) []ledger.Aborted {
	for _, a := range list {
		if a.Last >= from && a.First < to {
			out = append(out, a)
		}
	}
	return out
}

// Merge sorts transactions by first offset, and keeps one of those that several entries list.
func Merge(all []ledger.Aborted) []ledger.Aborted {
	slices.SortFunc(all, func(a, b ledger.Aborted) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Producer, b.Producer))
	})
	return slices.Compact(all)
}
