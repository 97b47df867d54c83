// Package disk keeps objects as files in a folder: the store of `firnlog dev`
// and of single machines.
//
// The file of an object has the name of its key. Names that begin with a dot are this
// package's own (keys cannot have them):
//
//	.tmp/        objects that are being written
//	.tmp/lock    held shared by every open store; whoever gets it exclusively
//	             at its start is alone, and clears .tmp
//
// Owns: create-only with fsync before the answer (put.go), byte order of
// listings (list.go), the system calls behind a seam (files.go).
//
// Does not own: empty folders left by Delete (they stay), and free space.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/firnlog/firnlog/objectstore"
)

const (
	tempFolder = ".tmp"
	lockFile   = "lock"
)

// Store is an objectstore.Store in a folder. Several may be open on one folder, also
// in several processes.
type Store struct {
	root  string
	files files
	lock  *os.File
	mu    struct {
		sync.Mutex
		// durable folders are known to be on disk together with all above
		// them. A folder that merely exists may have been made a moment ago by
		// another writer who has not synced it yet.
		durable map[string]struct{}
	}
}

// Open opens the folder root, which it creates if need be, and removes what writers that
// were killed have left in .tmp, unless another store has it open.
func Open(root string) (*Store, error) { return open(root, osFiles{}) }

func open(root string, files files) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", root, err)
	}
	s := &Store{root: root, files: files}
	s.mu.durable = make(map[string]struct{})
	if err := s.makeRoot(root); err != nil {
		return nil, fmt.Errorf("open folder %s: %w", root, err)
	}
	if err := s.makeFolder(s.temp()); err != nil {
		return nil, fmt.Errorf("open folder %s: %w", root, err)
	}
	if s.lock, err = tidy(s.temp()); err != nil {
		return nil, fmt.Errorf("tidy folder %s: %w", s.temp(), err)
	}
	return s, nil
}

// Close lets the next Open clear .tmp. No call may be under way.
func (s *Store) Close() error { return s.lock.Close() }

// Get reads with one ReadAt, large parts past the kernel's page cache.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := check(ctx, objectstore.OpGet, key); err != nil {
		return nil, err
	}
	data, err := read(s.path(key), offset, length)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, classify(err))
	}
	return data, nil
}

func read(path string, offset, length int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read: nothing to lose
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fs.ErrNotExist
	}
	from, to, err := objectstore.Extent(info.Size(), offset, length)
	if err != nil {
		return nil, err
	}
	if to-from >= directReadMin {
		if data, ok := readDirect(path, from, to); ok {
			return data, nil
		}
	}
	data := make([]byte, to-from)
	if n, err := file.ReadAt(data, from); n < len(data) {
		return nil, err // with io.EOF: someone has cut the file
	}
	return data, nil
}

// Delete removes the files, then syncs each of their folders once: a
// deletion that was reported survives a crash too.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := check(ctx, objectstore.OpDelete, key); err != nil {
			return err
		}
	}
	var folders []string
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("delete %s: %w: %w", key, objectstore.ErrUnknown, err)
		}
		path := s.path(key)
		switch err := s.files.Remove(path); {
		case err == nil:
			folders = append(folders, filepath.Dir(path))
		case !isMissing(err) && !isFolder(path):
			return fmt.Errorf("delete %s: %w: %w", key, objectstore.ErrUnknown, err)
		}
	}
	slices.Sort(folders)
	for _, folder := range slices.Compact(folders) {
		if err := s.files.SyncFolder(folder); err != nil {
			return fmt.Errorf("delete: %w: %w", objectstore.ErrUnknown, err)
		}
	}
	return nil
}

func (s *Store) path(key string) string { return filepath.Join(s.root, filepath.FromSlash(key)) }

func (s *Store) temp() string { return filepath.Join(s.root, tempFolder) }

func check(ctx context.Context, op objectstore.Op, key string) error {
	if err := objectstore.CheckKey(key); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", op, key, err)
	}
	return nil
}

// isMissing also covers a key below the file of another key.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// classify gives an error of the file system its class: nothing happened.
func classify(err error) error {
	switch {
	case isMissing(err):
		return objectstore.ErrNotFound
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT),
		errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w: %w", objectstore.ErrUnavailable, err)
	}
	return err
}
