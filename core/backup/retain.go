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
func (k *Keeper) Retained(ctx context.Context, refer func(coordination.Item) error) error {
	roots, err := Roots(ctx, k.Store)
	if err != nil {
		return err
	}
	for _, id := range roots {
		root, err := ReadRoot(ctx, k.Store, id)
		if err == nil {
			err = root.Each(ctx, k.Store, func(e Entry) error {
				it := coordination.Item{Key: k.keys.Root() + e.Key, Value: e.Value, Create: e.Create, Mod: e.Mod}
				switch k.keys.ParseLog(it.Key).Family {
				case coordination.FamilyCommit, coordination.FamilyHead:
					return refer(it)
				}
				return nil
			})
		}
		if err = k.passOver(err); err != nil {
			return fmt.Errorf("backup %s: %w", id, err)
		}
	}
	return k.retainedJournals(ctx, refer)
}

// passOver takes the errors of objects that can never be restored from.
func (k *Keeper) passOver(err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, objectstore.ErrNotFound) {
		k.Log.Warn("backup object passed over: nothing can be restored from it", "error", err)
		return nil
	}
	return err
}

func (k *Keeper) retainedJournals(ctx context.Context, refer func(coordination.Item) error) error {
	names, err := Journals(ctx, k.Store, "")
	if err != nil {
		return err
	}
	known := map[string]coordination.Item{}
	for _, n := range names {
		it, ok := k.knownJournal(n.Key())
		if !ok {
			if it, err = k.namedBy(ctx, n); err != nil {
				if err = k.passOver(err); err != nil {
					return err
				}
				continue
			}
		}
		known[n.Key()] = it
		if len(it.Value) > 0 {
			if err := refer(it); err != nil {
				return err
			}
		}
	}
	k.named.Lock()
	defer k.named.Unlock()
	k.named.journals = known
	return nil
}

func (k *Keeper) knownJournal(key string) (coordination.Item, bool) {
	k.named.Lock()
	defer k.named.Unlock()
	it, ok := k.named.journals[key]
	return it, ok
}

// namedBy reads a journal object once, and makes one commit of all segments that its commits name: there are many such
// objects, and they never change.
func (k *Keeper) namedBy(ctx context.Context, n JournalName) (it coordination.Item, err error) {
	_, entries, err := ReadJournal(ctx, k.Store, n)
	if err != nil {
		return it, err
	}
	var all ledger.Commit
	for _, e := range entries {
		if k.keys.ParseLog(k.keys.Root()+e.Key).Family != coordination.FamilyCommit {
			continue
		}
		c, err := ledger.DecodeCommit(e.Value)
		if err != nil {
			return it, fmt.Errorf("journal %s: %s: %w", n.ID, e.Key, err)
		}
		all.Segments = append(all.Segments, c.Segments...)
	}
	it.Key = k.keys.Commit(n.ID)
	if len(all.Segments) > 0 {
		it.Value = all.Encode()
	}
	return it, nil
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
