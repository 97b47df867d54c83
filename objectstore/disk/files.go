package disk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// files is the part of the file system that durability rests on. Tests put a recorder
// here that sees the order of calls, and makes them fail.
type files interface {
	CreateTemp(folder string) (file, error)
	Link(from, to string) error
	Remove(path string) error
	Mkdir(path string) error
	// SyncFolder brings the names in a folder to disk.
	SyncFolder(path string) error
}

// file is a temporary file being written.
type file interface {
	Name() string
	WriteChunks(chunks [][]byte) error
	Sync() error
	Close() error
}

// osFiles is the real file system. Objects are readable by their owner only.
type osFiles struct{}

type osFile struct{ *os.File }

func (osFiles) CreateTemp(folder string) (file, error) {
	f, err := os.CreateTemp(folder, "put-")
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFiles) Link(from, to string) error { return os.Link(from, to) }
func (osFiles) Remove(path string) error   { return syscall.Unlink(path) } // never a folder, as os.Remove would
func (osFiles) Mkdir(path string) error    { return os.Mkdir(path, 0o700) }

func (osFiles) SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// tidy takes the lock of the folder temp. Whoever is alone removes what was
// left there. Between the exclusive and the shared lock another one may
// come in and do the same: we have no file there yet.
//
// The lock spares living writers, it does not protect objects: a writer whose temporary
// file is removed fails to link it, definitely.
func tidy(temp string) (lock *os.File, err error) {
	lock, err = os.OpenFile(filepath.Join(temp, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	fd := int(lock.Fd())
	err = flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return lock, flock(fd, syscall.LOCK_SH)
	}
	if err != nil {
		return nil, err
	}
	left, err := os.ReadDir(temp)
	if err != nil {
		return nil, err
	}
	for _, entry := range left {
		if entry.Name() == lockFile {
			continue
		}
		if err := os.Remove(filepath.Join(temp, entry.Name())); err != nil {
			return nil, err
		}
	}
	return lock, flock(fd, syscall.LOCK_SH)
}

func flock(fd, how int) error {
	for {
		if err := syscall.Flock(fd, how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
