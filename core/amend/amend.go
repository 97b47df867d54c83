// Package amend changes what a partition has settled for good: it reads the manifest that the head refers to, lets an edit make
// another one, puts pages and root, and swaps the reference.
//
// Owns: the order of it, and trying again when somebody else was faster. Does not own: the edits (core/manifest), which
// objects take the place of which (log compaction, retention, chill), the transaction (core/reference).
package amend

import (
	"context"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/reference"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/objectstore"
)

// Amender amends manifests.
type Amender struct {
	Store   objectstore.Store
	Archive *archive.Archive
	Stream  *stream.Stream
	swapper reference.Swapper
}

// New makes an Amender.
func New(store objectstore.Store, archived *archive.Archive, s *stream.Stream, kv coordination.KV, keys coordination.Keys) *Amender {
	return &Amender{Store: store, Archive: archived, Stream: s, swapper: reference.Swapper{KV: kv, Keys: keys, Stream: s}}
}

// Edit makes another root. With nothing to do it gives the one that it was given. manifest.ErrMismatch: what it would change
// is not there any more.
type Edit func(root *manifest.Root, p manifest.Pager) (manifest.Change, error)

// Amendment is one change of one partition.
type Amendment struct {
	Partition record.TopicPartition
	// Remove are spans of the head that go into the manifest, or that what goes in takes the place of.
	Remove []ledger.Span
	Edit   Edit
	// Objects are settled objects that the manifest refers to anew; they were put and checked before.
	Objects []ulid.ULID
	// Format as of reference.Change.
	Format []byte
}

// triesMax is how often the manifest is read anew because somebody else has swapped it.
const triesMax = 5

// Amend makes the change. An edit may run several times, on what the manifest has become. The outcome is reference.Changed when
// what would be changed is not there any more; then nothing was swapped, and what was put is for sweep.
func (a *Amender) Amend(ctx context.Context, am Amendment) (reference.Outcome, error) {
	for range triesMax {
		old, ok, err := a.current(am.Partition)
		if err != nil || !ok {
			return reference.Gone, err
		}
		outcome, err := a.once(ctx, am, old)
		missing := errors.Is(err, objectstore.ErrNotFound) // the root was replaced and swept since this instance saw it
		if err != nil && !missing || outcome != reference.Changed && !missing {
			return outcome, err
		}
		if err := a.Stream.Barrier(ctx); err != nil {
			return reference.Open, err
		}
		now, ok, err := a.current(am.Partition)
		if err != nil || !ok {
			return reference.Gone, err
		}
		if idOf(now) == idOf(old) {
			if missing {
				return reference.Open, fmt.Errorf("manifest of %v/%d: %w", am.Partition.Topic, am.Partition.Partition, objectstore.ErrNotFound)
			}
			return reference.Changed, nil
		}
	}
	return reference.Open, fmt.Errorf("amend manifest of %v/%d: %w", am.Partition.Topic, am.Partition.Partition, reference.ErrConflict)
}

// current is the manifest that the head names; ok is false when the partition is gone.
func (a *Amender) current(tp record.TopicPartition) (m *ledger.Manifest, ok bool, err error) {
	err = a.Stream.View(func(l *ledger.Ledger) {
		if ok = l.Has(tp); ok {
			m = l.Partition(tp).Manifest()
		}
	})
	return m, ok, err
}

func idOf(m *ledger.Manifest) ulid.ULID {
	if m == nil {
		return ulid.ULID{}
	}
	return m.ID
}

// once edits one manifest and swaps the result in.
func (a *Amender) once(ctx context.Context, am Amendment, old *ledger.Manifest) (reference.Outcome, error) {
	root, err := a.own(ctx, am.Partition, old)
	if err != nil {
		return reference.Open, err
	}
	change, err := am.Edit(root, a.pager(ctx, am.Partition))
	if errors.Is(err, manifest.ErrMismatch) {
		return reference.Changed, nil
	}
	if err != nil {
		return reference.Open, err
	}
	if change.Root == root && len(am.Remove) == 0 {
		return reference.Swapped, nil
	}
	next, objects, err := a.put(ctx, am.Partition, change)
	if err != nil {
		return reference.Open, err
	}
	out, err := a.swapper.Swap(ctx, []reference.Change{{
		Partition: am.Partition, Remove: am.Remove, Objects: append(objects, am.Objects...), Format: am.Format,
		Manifest: &reference.Manifest{Old: idOf(old), New: next},
	}})
	return out[0], err
}

// own is the partition's manifest as a root of its own folder, whatever it shares with the partition that it was forked from.
func (a *Amender) own(ctx context.Context, tp record.TopicPartition, m *ledger.Manifest) (*manifest.Root, error) {
	if m == nil {
		return &manifest.Root{}, nil
	}
	root, err := a.Archive.Root(ctx, tp, m)
	if err != nil || m.Owner == (record.TopicPartition{}) {
		return root, err
	}
	root = root.Adopt(m.Owner)
	cut, err := root.Cut(m.End, a.pager(ctx, tp))
	if err != nil {
		return nil, err
	}
	if len(cut.Pages) > 0 {
		return nil, fmt.Errorf("manifest %s is cut within a page: %w", m.ID, manifest.ErrMismatch) // Cut makes none
	}
	return cut.Root, nil
}

func (a *Amender) pager(ctx context.Context, tp record.TopicPartition) manifest.Pager {
	return manifest.Pager{
		ID: a.Stream.NewID,
		Load: func(ref manifest.PageRef) ([]manifest.Entry, error) {
			entries, err := a.Archive.Page(ctx, tp, ref)
			if err == nil && ref.Owner != (record.TopicPartition{}) {
				entries = manifest.Resolve(entries, ref.Owner)
			}
			return entries, err
		},
	}
}

// put stores pages, then the root, and gives what a head is to say of it: nil for one that lists nothing.
func (a *Amender) put(ctx context.Context, tp record.TopicPartition, change manifest.Change) (*ledger.Manifest, []ulid.ULID, error) {
	var objects []ulid.ULID
	for _, p := range change.Pages {
		if err := a.Store.Put(ctx, ledger.ManifestKey(tp, p.ID), p.Body); err != nil {
			return nil, nil, fmt.Errorf("put manifest page: %w", err)
		}
		objects = append(objects, p.ID)
	}
	if len(change.Root.Pages)+len(change.Root.Entries) == 0 {
		return nil, objects, nil
	}
	id, err := a.Stream.NewID()
	if err != nil {
		return nil, nil, err
	}
	if err := a.Store.Put(ctx, ledger.ManifestKey(tp, id), change.Root.Encode()); err != nil {
		return nil, nil, fmt.Errorf("put manifest root: %w", err)
	}
	sums := change.Root.Sums()
	sums.ID = id
	return &sums, objects, nil
}
