package modelled

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/firnlog/firnlog/objectstore"
)

// Store takes the time of a model for each request, beside what the store below takes itself.
type Store struct {
	store objectstore.Store
	model Model
	sleep func(ctx context.Context, d time.Duration) error
	mu    struct {
		sync.Mutex
		dice *rand.Rand
	}
}

// New decorates store. The same seed draws the same times, in the order of requests.
func New(store objectstore.Store, model Model, clock objectstore.Clock, seed uint64) *Store {
	s := &Store{store: store, model: model, sleep: clock.Sleep}
	s.mu.dice = rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // no secret
	return s
}

// wait lets the time to first byte and that of the bytes pass. A request that ends here has not reached the store.
func (s *Store) wait(ctx context.Context, op objectstore.Op, spread Spread, size int64) error {
	s.mu.Lock()
	z := s.mu.dice.NormFloat64()
	s.mu.Unlock()
	if err := s.sleep(ctx, spread.at(z)+s.transfer(size)); err != nil {
		return fmt.Errorf("%s: %w: %w", op, objectstore.ErrUnavailable, err)
	}
	return nil
}

func (s *Store) transfer(size int64) time.Duration {
	return time.Duration(float64(size) / s.model.BytesPerSecond * float64(time.Second))
}

// Put is Store's, in the model's time. All of it passes before the object is there.
func (s *Store) Put(ctx context.Context, key string, body ...[]byte) error {
	size := int64(0)
	for _, chunk := range body {
		size += int64(len(chunk))
	}
	if err := s.wait(ctx, objectstore.OpPut, s.model.Put, size); err != nil {
		return err
	}
	return s.store.Put(ctx, key, body...)
}

// Get is Store's, in the model's time.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := s.wait(ctx, objectstore.OpGet, s.model.Get, 0); err != nil {
		return nil, err
	}
	data, err := s.store.Get(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	if err := s.sleep(ctx, s.transfer(int64(len(data)))); err != nil {
		return nil, fmt.Errorf("get %s: %w: %w", key, objectstore.ErrUnavailable, err)
	}
	return data, nil
}

// List is Store's, in the model's time.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]objectstore.Info, error) {
	if err := s.wait(ctx, objectstore.OpList, s.model.List, 0); err != nil {
		return nil, err
	}
	return s.store.List(ctx, prefix, after, limit)
}

// Delete is Store's, in the model's time: one request for all keys.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	if err := s.wait(ctx, objectstore.OpDelete, s.model.Delete, 0); err != nil {
		return err
	}
	return s.store.Delete(ctx, keys...)
}

// Close closes the store below, if it can be closed.
func (s *Store) Close() error {
	if c, ok := s.store.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
