package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// fromFile puts the file where backups are read from.
func (s *source) fromFile(ctx context.Context, key string) (objectstore.Store, error) {
	if s.file == nil {
		return s.Store, nil
	}
	store := memory.New()
	return store, store.Put(ctx, key, s.file)
}

func showBackup(ctx context.Context, src *source) (*sheet, error) {
	if src.name == "" {
		return src.backups(ctx)
	}
	id, err := ulid.ParseStrict(strings.TrimPrefix(src.name, backup.RootPrefix))
	if err != nil && src.file == nil {
		return nil, fmt.Errorf("%q is no id of a backup", src.name)
	}
	store, err := src.fromFile(ctx, backup.RootKey(id))
	if err != nil {
		return nil, err
	}
	root, err := backup.ReadRoot(ctx, store, id)
	if err != nil {
		return nil, err
	}
	s := &sheet{title: fmt.Sprintf("backup %s of cluster %s", root.ID, root.Cluster), raw: root}
	s.field("taken", "%s, at revision %d of era %s", root.Taken.UTC().Format("2006-01-02T15:04:05Z"), root.Revision, root.Era)
	s.field("marks", "stamp %s, floor %s", when(int64(root.Stamp)), when(int64(root.Floor)))
	s.field("keys", "%d in %s", root.Keys, plural(int64(len(root.Parts)), "part", "parts"))
	if src.file != nil {
		return s, nil
	}
	kinds := map[string]int{}
	s.wrong = root.Each(ctx, store, func(e backup.Entry) error {
		kinds[kindOfKey(e.Key)]++
		return nil
	})
	for _, kind := range []string{"log/topics", "log/commits", "log/heads", "groups", "transactions"} {
		s.field("  "+kind, "%d", kinds[kind])
	}
	return s, nil
}

// kindOfKey is the family of a key relative to the root.
func kindOfKey(key string) string {
	parts := strings.SplitN(key, "/", 3)
	if parts[0] == "log" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func (s *source) backups(ctx context.Context) (*sheet, error) {
	ids, err := backup.Roots(ctx, s.Store)
	if err != nil {
		return nil, err
	}
	out := &sheet{title: plural(int64(len(ids)), "backup", "backups")}
	t := table{columns: row("BACKUP", "TAKEN", "CLUSTER", "ERA", "REVISION", "KEYS")}
	all := []backup.Root{}
	for _, id := range ids {
		root, err := backup.ReadRoot(ctx, s.Store, id)
		if err != nil {
			out.wrong = errors.Join(out.wrong, err)
			continue
		}
		all = append(all, root)
		t.rows = append(t.rows, row(id, root.Taken.UTC().Format("2006-01-02T15:04:05Z"), root.Cluster, root.Era, root.Revision, root.Keys))
	}
	out.tables, out.raw = []table{t}, all
	return out, nil
}

func showJournal(ctx context.Context, src *source) (*sheet, error) {
	if src.name == "" {
		return src.journals(ctx)
	}
	era, name, ok := strings.Cut(strings.TrimPrefix(src.name, backup.JournalPrefix), "/")
	id, err := ulid.ParseStrict(name)
	if (err != nil || !ok) && src.file == nil {
		return nil, fmt.Errorf("%q is no journal object: want %sERA/ID", src.name, backup.JournalPrefix)
	}
	if src.file != nil {
		era, id = "file", ulid.ULID{}
	}
	n := backup.JournalName{Era: era, ID: id}
	store, err := src.fromFile(ctx, n.Key())
	if err != nil {
		return nil, err
	}
	h, entries, err := backup.ReadJournal(ctx, store, n)
	if err != nil {
		return nil, err
	}
	type change struct {
		Revision int64  `json:"revision"`
		Key      string `json:"key"`
		Bytes    int    `json:"bytes"`
		Deleted  bool   `json:"deleted,omitempty"`
	}
	changes := []change{}
	t := table{columns: row("REVISION", "KEY", "BYTES")}
	for _, e := range entries {
		changes = append(changes, change{int64(e.Mod), e.Key, len(e.Value), e.Deleted})
		bytes := fmt.Sprint(len(e.Value))
		if e.Deleted {
			bytes = "deleted"
		}
		t.rows = append(t.rows, row(e.Mod, e.Key, bytes))
	}
	s := &sheet{title: fmt.Sprintf("journal object %s of cluster %s", src.name, h.Cluster), tables: []table{t}, raw: map[string]any{"header": h, "changes": changes}}
	s.field("changes", "of revisions %d to %d of era %s: %s", h.From+1, h.Through, h.Era, plural(int64(len(entries)), "key", "keys"))
	return s, nil
}

func (s *source) journals(ctx context.Context) (*sheet, error) {
	names, err := backup.Journals(ctx, s.Store, "")
	t := table{columns: row("JOURNAL OBJECT", "DRAWN")}
	all := []string{}
	for _, n := range names {
		all = append(all, n.Key())
		t.rows = append(t.rows, row(n.Key(), idTime(n.ID)))
	}
	return &sheet{title: plural(int64(len(all)), "journal object", "journal objects"), tables: []table{t}, raw: all}, err
}
