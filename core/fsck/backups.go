package fsck

import (
	"context"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// backups is what backups and the journal refer to.
type backups struct {
	refs    *references
	folders map[record.TopicPartition]map[ulid.ULID]*ledger.Manifest // manifests of a partition
	objects map[record.TopicPartition][]string                       // objects in the folders of a partition that heads name
	newest  *backup.Root                                             // of this era
}

// readBackups reads all backups and the journal of this era: whether a restore could, and what they refer to.
func (r *run) readBackups(ctx context.Context) error {
	b := &backups{refs: newReferences(), folders: map[record.TopicPartition]map[ulid.ULID]*ledger.Manifest{}, objects: map[record.TopicPartition][]string{}}
	r.backups = b
	roots, err := backup.Roots(ctx, r.c.Store)
	if err != nil {
		return err
	}
	for i, id := range roots {
		r.c.Progress("backups", i, len(roots))
		if err := r.readBackup(ctx, id); err != nil {
			return err
		}
	}
	if b.newest == nil {
		r.report.add(finding(BackupNone, "", "%d backups of other eras or clusters", r.report.Counts.Backups))
	}
	return r.readJournals(ctx)
}

func (r *run) readBackup(ctx context.Context, id ulid.ULID) error {
	root, err := backup.ReadRoot(ctx, r.c.Store, id)
	if err == nil {
		r.report.Counts.Backups++
		err = root.Each(ctx, r.c.Store, func(e backup.Entry) error {
			return r.backups.refer(r.c.keys, coordination.Item{Key: r.c.keys.Root() + e.Key, Value: e.Value})
		})
	}
	switch {
	case err == nil && root.Era == r.now.ledger.Era():
		r.backups.newest = &root
	case isGone(err) || errors.Is(err, backup.ErrVersion):
		return r.damaged(ctx, backup.RootKey(id), err)
	}
	return err
}

// damaged is a finding, but for what sweep has deleted meanwhile.
func (r *run) damaged(ctx context.Context, key string, err error) error {
	_, there, err2 := sizeOf(ctx, r.c.Store, key)
	if there {
		r.report.add(finding(BackupBad, key, "%v", err))
	}
	return err2
}

func (r *run) readJournals(ctx context.Context) error {
	names, err := backup.Journals(ctx, r.c.Store, "")
	if err != nil {
		return err
	}
	reach, newest := coordination.Revision(0), r.backups.newest
	if newest != nil {
		reach = newest.Revision
	}
	for i, n := range names {
		r.c.Progress("journal", i, len(names))
		h, entries, err := backup.ReadJournal(ctx, r.c.Store, n)
		if isGone(err) || errors.Is(err, backup.ErrVersion) {
			if err := r.damaged(ctx, n.Key(), err); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		r.report.Counts.Journals++
		for _, e := range entries {
			if err := r.backups.refer(r.c.keys, coordination.Item{Key: r.c.keys.Root() + e.Key, Value: e.Value}); err != nil {
				return err
			}
		}
		if newest != nil && h.Era == newest.Era && h.Through > reach {
			if h.From > reach {
				r.report.add(finding(JournalGap, n.Key(), "it begins after revision %d, backup and journal before it end at %d", h.From, reach))
			}
			reach = h.Through
		}
	}
	return nil
}

// refer takes what a commit or a head in a backup names. Heads in a journal hold the log start alone, and do not decode.
func (b *backups) refer(keys coordination.Keys, it coordination.Item) error {
	key := keys.ParseLog(it.Key)
	switch key.Family {
	case coordination.FamilyCommit:
		if c, err := ledger.DecodeCommit(it.Value); err == nil {
			for _, s := range c.Segments {
				b.refs.segments[s.ID] = struct{}{}
			}
		}
	case coordination.FamilyHead:
		h, err := ledger.DecodeHead(it.Value)
		if err != nil {
			return nil
		}
		tp := record.TopicPartition{Topic: key.Topic, Partition: key.Partition}
		for i := range h.Spans {
			b.refs.span(tp, &h.Spans[i])
			if s := &h.Spans[i]; s.Inline == nil && s.Place != ledger.InSegment && s.Place != ledger.InShared {
				folder := tp
				if s.Owner != (record.TopicPartition{}) {
					folder = s.Owner
				}
				b.objects[folder] = append(b.objects[folder], s.Key(tp))
			}
		}
		if b.folders[tp] == nil {
			b.folders[tp] = map[ulid.ULID]*ledger.Manifest{}
		}
		if h.Manifest != nil {
			b.folders[tp][h.Manifest.ID] = h.Manifest
		}
	}
	return nil
}

// named gives the keys that backups name in the folders of a partition. Manifests that are gone name nothing.
func (b *backups) named(ctx context.Context, a *archive.Archive, tp record.TopicPartition) (map[string]struct{}, error) {
	out := map[string]struct{}{}
	for _, key := range b.objects[tp] {
		out[key] = struct{}{}
	}
	for _, m := range b.folders[tp] {
		err := walkKeys(ctx, a, tp, m, func(key string) { out[key] = struct{}{} })
		if err != nil && !errors.Is(err, objectstore.ErrNotFound) && !errors.Is(err, manifest.ErrCorrupt) {
			return nil, fmt.Errorf("manifest of a backup: %w", err)
		}
	}
	return out, nil
}

// walkKeys gives all keys that a manifest names, its own included.
func walkKeys(ctx context.Context, a *archive.Archive, tp record.TopicPartition, m *ledger.Manifest, fn func(key string)) error {
	fn(m.Key(tp))
	shelf, err := a.Open(ctx, tp, m)
	if err != nil {
		return err
	}
	for _, key := range shelf.Pages() {
		fn(key)
	}
	for e, err := range shelf.Entries(ctx, -1) {
		if err != nil {
			return err
		}
		fn(e.Key(tp))
	}
	return nil
}

// isGone says that an object is not there (any more), also where sweep has been at work.
func isGone(err error) bool {
	return errors.Is(err, objectstore.ErrNotFound) || errors.Is(err, backup.ErrCorrupt)
}
