package backup

import (
	"context"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/objectstore"
)

// Reading what is in the bucket. Anybody may do it; a Keeper is not needed.

const listPage = 1000

// Roots lists the backups in the bucket, oldest first.
func Roots(ctx context.Context, store objectstore.Store) (ids []ulid.ULID, err error) {
	err = each(ctx, store, RootPrefix, "", func(key string) bool {
		name := strings.TrimPrefix(key, RootPrefix)
		if strings.Contains(name, "/") { // the parts: they come last, since ids have no lower-case letters
			return false
		}
		if id, err := ulid.ParseStrict(name); err == nil {
			ids = append(ids, id)
		}
		return true
	})
	return ids, err
}

// Parts lists the parts of all backups.
func Parts(ctx context.Context, store objectstore.Store) (ids []ulid.ULID, err error) {
	err = each(ctx, store, PartPrefix, "", func(key string) bool {
		if id, err := ulid.ParseStrict(strings.TrimPrefix(key, PartPrefix)); err == nil {
			ids = append(ids, id)
		}
		return true
	})
	return ids, err
}

// JournalName is one journal object by its name.
type JournalName struct {
	Era string
	ID  ulid.ULID
}

// Key of the object.
func (n JournalName) Key() string { return JournalKey(n.Era, n.ID) }

// Journals lists the journal objects of an era, oldest first; "" is all eras.
func Journals(ctx context.Context, store objectstore.Store, era string) (names []JournalName, err error) {
	prefix := JournalPrefix
	if era != "" {
		prefix += era + "/"
	}
	err = each(ctx, store, prefix, "", func(key string) bool {
		era, name, ok := strings.Cut(strings.TrimPrefix(key, JournalPrefix), "/")
		if id, err := ulid.ParseStrict(name); ok && err == nil {
			names = append(names, JournalName{era, id})
		}
		return true
	})
	return names, err
}

func each(ctx context.Context, store objectstore.Store, prefix, after string, fn func(key string) bool) error {
	for {
		list, err := store.List(ctx, prefix, after, listPage)
		if err != nil {
			return fmt.Errorf("list %s: %w", prefix, err)
		}
		for _, o := range list {
			if !fn(o.Key) {
				return nil
			}
		}
		if len(list) < listPage {
			return nil
		}
		after = list[len(list)-1].Key
	}
}

// ReadRoot reads the root of a backup.
func ReadRoot(ctx context.Context, store objectstore.Store, id ulid.ULID) (root Root, err error) {
	b, err := store.Get(ctx, RootKey(id), 0, -1)
	if err != nil {
		return root, fmt.Errorf("read backup %s: %w", id, err)
	}
	if _, err = open(magicRoot, b, &root); err != nil {
		return root, fmt.Errorf("backup %s: %w", id, err)
	}
	return root, nil
}

// Each calls fn for every key of a backup in the order of keys, part by part.
func (r *Root) Each(ctx context.Context, store objectstore.Store, fn func(Entry) error) error {
	for _, p := range r.Parts {
		b, err := store.Get(ctx, PartKey(p.ID), 0, -1)
		if err != nil {
			return fmt.Errorf("read part %s of backup %s: %w", p.ID, r.ID, err)
		}
		var h partHeader
		entries, err := open(magicPart, b, &h)
		if err == nil && (h.Backup != r.ID || int64(len(b)) != p.Size) {
			err = ErrCorrupt
		}
		if err != nil {
			return fmt.Errorf("part %s of backup %s: %w", p.ID, r.ID, err)
		}
		if err := readEntries(entries, fn); err != nil {
			return fmt.Errorf("part %s of backup %s: %w", p.ID, r.ID, err)
		}
	}
	return nil
}

// ReadJournal reads a journal object: its header, and what gives its entries.
func ReadJournal(ctx context.Context, store objectstore.Store, n JournalName) (h Journal, entries []Entry, err error) {
	b, err := store.Get(ctx, n.Key(), 0, -1)
	if err != nil {
		return h, nil, fmt.Errorf("read journal %s: %w", n.ID, err)
	}
	raw, err := open(magicJournal, b, &h)
	if err != nil {
		return h, nil, fmt.Errorf("journal %s: %w", n.ID, err)
	}
	err = readEntries(raw, func(e Entry) error {
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return h, nil, fmt.Errorf("journal %s: %w", n.ID, err)
	}
	return h, entries, nil
}
