package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/firnlog/firnlog/objectstore"
)

// List walks the folders in byte order of keys. A folder sorts as its name
// with a slash, since that is how its keys go on: the file "a-b" comes before all of
// the folder "a", although "a" comes before "a-b". Each page reads the folders that
// it touches whole; folders that lie outside prefix or before after are not read.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]objectstore.Info, error) {
	if err := objectstore.CheckList(prefix, limit); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	w := walk{store: s, prefix: prefix, after: after, limit: limit}
	begin := prefix[:strings.LastIndexByte(prefix, '/')+1]
	if err := w.folder(ctx, begin); err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	return w.page, nil
}

type walk struct {
	store         *Store
	prefix, after string
	limit         int
	page          []objectstore.Info
}

// entry is a file (name is a key) or a folder (name is a key's beginning, with
// its slash).
type entry struct {
	name string
	file fs.DirEntry
}

// folder lists what lies below name, which is empty or ends in a slash.
func (w *walk) folder(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := w.entries(name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if len(w.page) == w.limit {
			return nil
		}
		if e.file.IsDir() {
			err = w.folder(ctx, e.name)
		} else {
			err = w.add(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entries gives, in order, what may hold keys of this page.
func (w *walk) entries(name string) ([]entry, error) {
	found, err := os.ReadDir(w.store.path(name))
	if err != nil {
		if isMissing(err) {
			return nil, nil
		}
		return nil, err
	}
	var entries []entry
	for _, file := range found {
		if strings.HasPrefix(file.Name(), ".") {
			continue
		}
		e := entry{name: name + file.Name(), file: file}
		if file.IsDir() {
			e.name += "/"
		}
		if w.wants(e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return entries, nil
}

func (w *walk) wants(e entry) bool {
	if e.file.IsDir() {
		inside := strings.HasPrefix(e.name, w.prefix) || strings.HasPrefix(w.prefix, e.name)
		return inside && (e.name > w.after || strings.HasPrefix(w.after, e.name))
	}
	return strings.HasPrefix(e.name, w.prefix) && e.name > w.after
}

func (w *walk) add(e entry) error {
	info, err := e.file.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted since the folder was read
	}
	if err != nil {
		return err
	}
	w.page = append(w.page, objectstore.Info{Key: e.name, Size: info.Size()})
	return nil
}
