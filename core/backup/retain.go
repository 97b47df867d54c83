package backup

import (
	"context"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/objectstore"
)

const (
	// journaledFor is for how many of the newest backups the journal is kept: if one cannot be read, the one before
	// it still leads to the end of the journal.
	journaledFor = 2
	// orphanAge is how old a part without a root is before it counts as one that will never have any.
	orphanAge = coordination.Mark(3_600_000)
)

// Retained calls refer for every commit and every head in the backups and journal objects that are in the bucket, with
// keys as in etcd. What cannot be read cannot be restored from, and is passed over.
//
// The segments above the floor as of the last journaled revision count as named too: they may have been committed since, and a
// restore looks for them in the bucket. Were one settled and swept before the journal names it, its records would be in no
// object that a restore knows.
func (k *Keeper) Retained(ctx context.Context, refer func(coordination.Item) error) error {
	n, err := k.look(ctx)
	if err != nil {
		return err
	}
	roots, err := Roots(ctx, k.Store)
	if err != nil {
		return err
	}
	known := coordination.Mark(0)
	for _, id := range roots {
		root, err := ReadRoot(ctx, k.Store, id)
		if err == nil && root.Era == n.era {
			known = max(known, root.Floor)
		}
		if err == nil {
			err = k.retainedBackup(ctx, root, refer)
		}
		if err = k.passOver(err); err != nil {
			return fmt.Errorf("backup %s: %w", id, err)
		}
	}
	journaled, err := k.retainedJournals(ctx, n.era, refer)
	if err != nil || k.JournalEvery == 0 && k.BackupEvery == 0 {
		return err
	}
	return k.retainedUnknown(ctx, max(known, journaled), refer)
}

// retainedUnknown refers to the segments above a mark. One that is put there later was never committed, or is above the
// floor that sweep has read.
func (k *Keeper) retainedUnknown(ctx context.Context, known coordination.Mark, refer func(coordination.Item) error) error {
	var first ulid.ULID
	_ = first.SetTime(uint64(known + 1)) // fits: marks are times of ids
	var all ledger.Commit
	err := each(ctx, k.Store, ledger.SegmentPrefix, ledger.SegmentKey(first), func(key string) bool {
		if id, err := ledger.ParseSegmentKey(key); err == nil {
			all.Segments = append(all.Segments, ledger.SegmentRef{ID: id})
		}
		return true
	})
	if err != nil || len(all.Segments) == 0 {
		return err
	}
	return refer(coordination.Item{Key: k.keys.Commit(first), Value: all.Encode()})
}

func (k *Keeper) retainedBackup(ctx context.Context, root Root, refer func(coordination.Item) error) error {
	return root.Each(ctx, k.Store, func(e Entry) error {
		it := coordination.Item{Key: k.keys.Root() + e.Key, Value: e.Value, Create: e.Create, Mod: e.Mod}
		switch k.keys.ParseLog(it.Key).Family {
		case coordination.FamilyCommit, coordination.FamilyHead:
			return refer(it)
		}
		return nil
	})
}

// passOver takes the errors of objects that can never be restored from.
func (k *Keeper) passOver(err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, objectstore.ErrNotFound) {
		k.Log.Warn("backup object passed over: nothing can be restored from it", "error", err)
		return nil
	}
	return err
}

func (k *Keeper) retainedJournals(ctx context.Context, era string, refer func(coordination.Item) error) (floor coordination.Mark, err error) {
	names, err := Journals(ctx, k.Store, "")
	if err != nil {
		return 0, err
	}
	known := map[string]namedSegments{}
	for _, n := range names {
		named, ok := k.knownJournal(n.Key())
		if !ok {
			if named, err = k.namedBy(ctx, n); err != nil {
				if err = k.passOver(err); err != nil {
					return 0, err
				}
				continue
			}
		}
		known[n.Key()] = named
		if n.Era == era {
			floor = max(floor, named.floor)
		}
		for _, it := range named.items {
			if err := refer(it); err != nil {
				return 0, err
			}
		}
	}
	k.named.Lock()
	defer k.named.Unlock()
	k.named.journals = known
	return floor, nil
}

// namedSegments is what sweep is told of a journal object: one commit of all segments that its commits name, and the heads that forks
// began with.
type namedSegments struct {
	items []coordination.Item
	floor coordination.Mark
}

func (k *Keeper) knownJournal(key string) (namedSegments, bool) {
	k.named.Lock()
	defer k.named.Unlock()
	named, ok := k.named.journals[key]
	return named, ok
}

// namedBy reads a journal object, once: there are many, and they never change.
func (k *Keeper) namedBy(ctx context.Context, n JournalName) (named namedSegments, err error) {
	h, entries, err := ReadJournal(ctx, k.Store, n)
	if err != nil {
		return named, err
	}
	var all ledger.Commit
	for _, e := range entries {
		family := k.keys.ParseLog(k.keys.Root() + e.Key).Family
		if family == coordination.FamilyHead && !e.Deleted {
			named.items = append(named.items, coordination.Item{Key: k.keys.Root() + e.Key, Value: e.Value})
		}
		if family != coordination.FamilyCommit {
			continue
		}
		c, err := ledger.DecodeCommit(e.Value)
		if err != nil {
			return named, fmt.Errorf("journal %s: %s: %w", n.ID, e.Key, err)
		}
		all.Segments = append(all.Segments, c.Segments...)
	}
	named.floor = h.Floor
	if len(all.Segments) > 0 {
		named.items = append(named.items, coordination.Item{Key: k.keys.Commit(n.ID), Value: all.Encode()})
	}
	return named, nil
}

// Outlived lists backups and journal objects that are needed no more, of those with ids above since and at or below floor.
// What is from before this era's beginning is none of its business.
func (k *Keeper) Outlived(ctx context.Context, since, floor coordination.Mark) (keys []string, err error) {
	all, err := Roots(ctx, k.Store)
	if err != nil {
		return nil, err
	}
	var roots []ulid.ULID
	for _, id := range all {
		if coordination.MarkOf(id) > since {
			roots = append(roots, id)
		}
	}
	young := coordination.Mark(max(0, k.Now().Add(-k.KeepFor).UnixMilli()))
	for i, id := range roots {
		mark := coordination.MarkOf(id)
		if len(roots)-i > max(k.Keep, journaledFor) && mark < young && mark <= floor {
			keys = append(keys, RootKey(id))
		}
	}
	parts, err := k.orphans(ctx, all, since, floor)
	if err != nil {
		return nil, err
	}
	keys = append(keys, parts...)
	if len(roots) < journaledFor {
		return keys, nil
	}
	// An object whose changes go beyond a backup was named after that backup, by a clock that is at most idAheadMax
	// from any other's.
	needed := coordination.MarkOf(roots[len(roots)-journaledFor]) - coordination.Mark(idAheadMax.Milliseconds())
	names, err := Journals(ctx, k.Store, "")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if mark := coordination.MarkOf(n.ID); mark > since && mark < needed && mark <= floor {
			keys = append(keys, n.Key())
		}
	}
	return keys, nil
}

// orphans lists parts that no root names: of backups that were never finished, or whose root has gone.
func (k *Keeper) orphans(ctx context.Context, roots []ulid.ULID, since, floor coordination.Mark) (keys []string, err error) {
	parts, err := Parts(ctx, k.Store)
	if err != nil || len(parts) == 0 {
		return nil, err
	}
	named := map[ulid.ULID]bool{}
	for _, id := range roots {
		root, err := ReadRoot(ctx, k.Store, id)
		if err = k.passOver(err); err != nil {
			return nil, err
		}
		for _, p := range root.Parts {
			named[p.ID] = true
		}
	}
	for _, id := range parts {
		if mark := coordination.MarkOf(id); !named[id] && mark > since && mark+orphanAge <= floor {
			keys = append(keys, PartKey(id))
		}
	}
	return keys, nil
}
