// Package memory is an object store in a map, for tests and simulation: the
// same calls give the same answers, nothing blocks, and nothing outlives it.
//
// Owns: the objects. Does not own: faults and delays (objectstore.Fault).
package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/firnlog/firnlog/objectstore"
)

// Store is an objectstore.Store in memory. It does no I/O, and holds its lock
// for copying bytes only, so it may be used in testing/synctest bubbles.
type Store struct {
	mu struct {
		sync.RWMutex
		objects map[string][]byte
		sorted  []string // the keys of objects
	}
}

// New makes an empty store.
func New() *Store {
	s := &Store{}
	s.mu.objects = make(map[string][]byte)
	return s
}

// Put keeps a copy of body.
func (s *Store) Put(ctx context.Context, key string, body ...[]byte) error {
	if err := check(ctx, "put", key); err != nil {
		return err
	}
	if err := objectstore.RefuseClass(ctx, key); err != nil {
		return err
	}
	whole := bytes.Join(body, nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	at, taken := slices.BinarySearch(s.mu.sorted, key)
	if taken {
		return fmt.Errorf("put %s: %w", key, objectstore.ErrExists)
	}
	s.mu.objects[key] = whole
	s.mu.sorted = slices.Insert(s.mu.sorted, at, key)
	return nil
}

// Get gives a copy of the bytes.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := check(ctx, "get", key); err != nil {
		return nil, err
	}
	s.mu.RLock()
	whole, ok := s.mu.objects[key]
	s.mu.RUnlock() // objects are immutable: the slice may be read on
	if !ok {
		return nil, fmt.Errorf("get %s: %w", key, objectstore.ErrNotFound)
	}
	from, to, err := objectstore.Extent(int64(len(whole)), offset, length)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return append([]byte{}, whole[from:to]...), nil
}

// List gives a page in byte order.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]objectstore.Info, error) {
	if err := objectstore.CheckList(prefix, limit); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, found := slices.BinarySearch(s.mu.sorted, max(prefix, after))
	if found && after >= prefix {
		at++ // after itself is not listed
	}
	var page []objectstore.Info
	for _, key := range s.mu.sorted[at:] {
		if len(page) == limit || !strings.HasPrefix(key, prefix) {
			break
		}
		page = append(page, objectstore.Info{Key: key, Size: int64(len(s.mu.objects[key]))})
	}
	return page, nil
}

// Delete removes objects: all of them, or none when it gives an error.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := check(ctx, "delete", key); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		if at, ok := slices.BinarySearch(s.mu.sorted, key); ok {
			s.mu.sorted = slices.Delete(s.mu.sorted, at, at+1)
			delete(s.mu.objects, key)
		}
	}
	return nil
}

func check(ctx context.Context, op, key string) error {
	if err := objectstore.CheckKey(key); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", op, key, err)
	}
	return nil
}
