package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// faultyStore is an object store as one instance reaches it.
type faultyStore struct {
	in    *instance
	inner *memory.Store
	kind  string // before the names of its calls
}

// stores are both: old objects may lie in another one, which has weather and luck of its own.
func (in *instance) stores() objectstore.Store {
	store := faultyStore{in, in.w.store, ""}
	if in.w.Aging.Cold != elsewhere {
		return store
	}
	return objectstore.NewRouter(store, faultyStore{in, in.w.other, "cold "}, ledger.ColdPrefix)
}

var _ objectstore.Store = faultyStore{}

func (s faultyStore) enter(ctx context.Context, op, key string) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.in.isDead() {
		return nil, fmt.Errorf("%w: %w", objectstore.ErrUnavailable, errCut)
	}
	c := s.in.begin(s.kind+op, key)
	if !s.in.isCutFromStore() && !s.in.w.storm.hits(c) {
		return c, nil
	}
	wait(ctx, c.dice.between(time.Millisecond, 50*time.Millisecond))
	c.end("503")
	return nil, fmt.Errorf("%s %s: %w: by fault", op, key, objectstore.ErrUnavailable)
}

const storeLeast, storeMost = 2 * time.Millisecond, 25 * time.Millisecond

// Put implements objectstore.Store: refused, done with the answer lost, done much later, or done.
func (s faultyStore) Put(ctx context.Context, key string, body ...[]byte) error {
	c, err := s.enter(ctx, "put", key)
	if err != nil {
		return err
	}
	whole := bytes.Join(body, nil)
	effect := func() error {
		err := s.inner.Put(context.Background(), key, whole)
		if err == nil {
			s.in.w.judge.Stored(key, whole)
		}
		return err
	}
	late := func() { c.end("late: " + result(effect())) }
	f := &s.in.w.Faults
	there, back := c.latency(storeLeast, storeMost), c.latency(storeLeast, storeMost)
	begun := time.Now()
	switch {
	case c.chance(f.PutRefused):
		wait(ctx, there)
		c.end("refused")
		return fmt.Errorf("put %s: %w: by fault", key, objectstore.ErrUnavailable)
	case c.chance(f.PutLate):
		c.later(late)
		c.back(ctx, there+back)
		c.end("held back")
		return fmt.Errorf("put %s: %w: held back by fault", key, objectstore.ErrUnknown)
	case c.chance(f.PutStuck):
		c.stuck(ctx, there, func() { c.end("stuck: " + result(effect())) })
		return fmt.Errorf("put %s: %w: %w", key, objectstore.ErrUnknown, context.Cause(ctx))
	case !wait(ctx, there):
		time.AfterFunc(there-time.Since(begun), late)
		return fmt.Errorf("put %s: %w: %w", key, objectstore.ErrUnknown, context.Cause(ctx))
	}
	put := effect()
	if lost := c.chance(f.PutAnswerLost); !c.back(ctx, back) || lost {
		c.end("answer lost")
		return fmt.Errorf("put %s: %w: answer lost by fault", key, objectstore.ErrUnknown)
	}
	c.end(result(put))
	return put
}

func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, objectstore.ErrNotFound):
		return "not found"
	case errors.Is(err, objectstore.ErrExists):
		return "exists"
	}
	return "failed"
}

// read runs a request without effect.
func (s faultyStore) read(ctx context.Context, op, key string, do func() error) error {
	c, err := s.enter(ctx, op, key)
	if err != nil {
		return err
	}
	fails := c.chance(s.in.w.Faults.ReadFails)
	there, back := c.latency(storeLeast/2, storeMost/2), c.latency(storeLeast/2, storeMost/2)
	if wait(ctx, there) {
		err = do()
	}
	if !c.back(ctx, back) || fails {
		c.end("failed")
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%s %s: %w: by fault", op, key, objectstore.ErrUnavailable)
	}
	c.end(result(err))
	return err
}

// Get implements objectstore.Store.
func (s faultyStore) Get(ctx context.Context, key string, offset, length int64) (out []byte, err error) {
	err = s.read(ctx, "get", key, func() (err error) {
		out, err = s.inner.Get(context.Background(), key, offset, length)
		return err
	})
	return out, err
}

// List implements objectstore.Store; sometimes it does not show the newest objects.
func (s faultyStore) List(ctx context.Context, prefix, after string, limit int) (out []objectstore.Info, err error) {
	err = s.read(ctx, "list", prefix, func() (err error) {
		out, err = s.inner.List(context.Background(), prefix, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	if n := len(out); n > 0 && n < limit {
		d := throw(s.in.w.seed, "lag", s.in.number, n, out[n-1].Key)
		if !s.in.w.quiet.Load() && d.chance(s.in.w.Faults.ListLags) {
			out = out[:n-min(n, 1+d.below(8))]
		}
	}
	return out, nil
}

// Delete implements objectstore.Store.
func (s faultyStore) Delete(ctx context.Context, keys ...string) error {
	c, err := s.enter(ctx, "delete", keys[0])
	if err != nil {
		return err
	}
	effect := func() error {
		err := s.inner.Delete(context.Background(), keys...)
		for _, key := range keys {
			s.in.w.judge.Removed(key)
		}
		c.end(fmt.Sprintf("%d gone", len(keys)))
		return err
	}
	there, back := c.latency(storeLeast, storeMost), c.latency(storeLeast, storeMost)
	begun := time.Now()
	if !wait(ctx, there) {
		time.AfterFunc(there-time.Since(begun), func() { _ = effect() })
		return fmt.Errorf("delete %s: %w: %w", keys[0], objectstore.ErrUnknown, context.Cause(ctx))
	}
	err = effect()
	if lost := c.chance(s.in.w.Faults.PutAnswerLost); !c.back(ctx, back) || lost {
		return fmt.Errorf("delete %s: %w: answer lost by fault", keys[0], objectstore.ErrUnknown)
	}
	return err
}
