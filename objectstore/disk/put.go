package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/firnlog/firnlog/objectstore"
)

// Put is durable when it returns nil. Its steps, in the only order that is safe:
//
//  1. the folders of the key exist, and each is synced into the one above it;
//  2. the bytes go to a file of their own in .tmp, which is synced;
//  3. link(2) gives it its name: atomic, and refused if the name is taken;
//  4. the folder is synced, so that the name is on disk as well;
//  5. the name in .tmp goes; no matter if it does not.
//
// Up to 3 a failure is definite. Between 3 and 4 the outcome is unknown: the object
// is there, but a power cut may still take it.
//
// ErrExists also comes after 4: whoever compares the object with what they
// wrote themselves, and goes on, relies on it being on disk.
//
// Rejected: rename(2), which replaces what is there; renameat2 with
// RENAME_NOREPLACE, which only Linux has; O_TMPFILE, which would make .tmp
// needless, but which only some file systems have.
func (s *Store) Put(ctx context.Context, key string, body ...[]byte) error {
	if err := check(ctx, objectstore.OpPut, key); err != nil {
		return err
	}
	if err := objectstore.RefuseClass(ctx, key); err != nil {
		return err
	}
	path := s.path(key)
	folder := filepath.Dir(path)
	if err := s.makeFolder(folder); err != nil {
		return fmt.Errorf("put %s: %w", key, unplaced(err))
	}
	temp, err := s.writeTemp(body)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, unplaced(err))
	}
	defer s.files.Remove(temp) //nolint:errcheck // the next Open clears it
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	linked := s.files.Link(temp, path)
	if linked != nil && !errors.Is(linked, fs.ErrExist) {
		return fmt.Errorf("put %s: %w", key, unplaced(linked))
	}
	if linked != nil && isFolder(path) {
		return fmt.Errorf("put %s: there are objects below this key", key)
	}
	if err := s.files.SyncFolder(folder); err != nil {
		return fmt.Errorf("put %s: %w: %w", key, objectstore.ErrUnknown, err)
	}
	if linked != nil {
		return fmt.Errorf("put %s: %w", key, objectstore.ErrExists)
	}
	return nil
}

// writeTemp writes and syncs a file of its own.
func (s *Store) writeTemp(body [][]byte) (path string, err error) {
	file, err := s.files.CreateTemp(s.temp())
	if err != nil {
		return "", err
	}
	path = file.Name()
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			s.files.Remove(path) //nolint:errcheck // the next Open clears it
		}
	}()
	if err := file.WriteChunks(body); err != nil {
		return path, err
	}
	return path, file.Sync()
}

// makeFolder makes a folder at or below root, and returns when it is on disk with all
// above it. Two writers may sync the same folder: none may skip it because the
// other one has made it.
func (s *Store) makeFolder(folder string) error {
	if folder == s.root || s.isDurable(folder) {
		return nil
	}
	above := filepath.Dir(folder)
	if err := s.makeFolder(above); err != nil {
		return err
	}
	err := s.files.Mkdir(folder)
	if errors.Is(err, fs.ErrExist) && isFolder(folder) {
		err = nil
	}
	if err != nil {
		return err
	}
	if err := s.files.SyncFolder(above); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.durable[folder] = struct{}{}
	return nil
}

func (s *Store) isDurable(folder string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.mu.durable[folder]
	return ok
}

// makeRoot makes a folder and those above it that are missing, each synced
// into the one above it.
func (s *Store) makeRoot(folder string) error {
	if isFolder(folder) {
		return nil
	}
	above := filepath.Dir(folder)
	if err := s.makeRoot(above); err != nil {
		return err
	}
	if err := s.files.Mkdir(folder); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.files.SyncFolder(above)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// unplaced is the class of an error before an object had its name. What is
// missing then is a folder or temporary file that someone removed: it can be
// made again.
func unplaced(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", objectstore.ErrUnavailable, err)
	}
	if isMissing(err) { // a key below the file of another key
		return err
	}
	return classify(err)
}
