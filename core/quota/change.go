package quota

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/pause"
)

// The quotas of one entity are one key, changed by compare-and-swap beside log/format, whose value is compared since revisions repeat in an etcd
// that was rebuilt. A change is answered once this instance heeds it; the others do within a moment.

const changeTries = 8

// List reads from etcd, so that it shows what any instance has acknowledged.
func (q *Quotas) List(ctx context.Context, f Filter) ([]Quota, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	items, _, err := q.readAll(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var out []Quota
	for _, it := range items {
		if one, err := decode(it.Value); err == nil && f.Fits(one.Entity) {
			out = append(out, one)
		}
	}
	slices.SortFunc(out, compare)
	return out, nil
}

// Alter makes all changes of one entity, or none. With validateOnly it only says what would be wrong.
func (q *Quotas) Alter(ctx context.Context, e Entity, ops []Op, validateOnly bool) error {
	if err := e.checkOps(ops); err != nil || validateOnly {
		return err
	}
	unsure := false
	last := errors.New("others changed the same each time")
	for n := range changeTries {
		if n > 0 {
			if err := pause.For(ctx, pause.Backoff(n-1, 20*time.Millisecond, 500*time.Millisecond)); err != nil {
				break
			}
		}
		done, err := q.alter(ctx, e, ops)
		if done {
			return err
		}
		if err != nil {
			unsure, last = unsure || errors.Is(err, coordination.ErrUnknown), err
		}
	}
	if unsure {
		return fmt.Errorf("%w: %w", ErrUnknown, last)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, last)
}

// alter tries once: done with an error is for good.
func (q *Quotas) alter(ctx context.Context, e Entity, ops []Op) (done bool, err error) {
	key := q.Keys.Quota(e.id())
	snap, err := q.KV.Get(ctx, q.Keys.Format(), key)
	if err != nil {
		return false, fmt.Errorf("read quota: %w", err)
	}
	format, old := snap.Items[0], snap.Items[1]
	if format.Create == 0 {
		return true, ErrNoCluster
	}
	now := Quota{Entity: e}
	if old.Create != 0 {
		if now, err = decode(old.Value); err != nil {
			q.Log.Warn("a quota that cannot be read is replaced", "key", key, "error", err)
			now = Quota{Entity: e}
		}
	} else if !q.hasRoom() {
		return true, fmt.Errorf("%w: there is room for %d; defaults need fewer", ErrTooMany, q.Max)
	}
	now.Limits = apply(now.Limits, ops)
	if len(now.Limits) == 0 && old.Create == 0 {
		return true, nil
	}
	change := coordination.DeleteKey(key)
	if len(now.Limits) > 0 {
		value, err := now.encode()
		if err != nil {
			return true, fmt.Errorf("encode quota: %w", err)
		}
		change = coordination.PutKey(key, value)
	}
	guards := []coordination.Guard{coordination.ValueIs(q.Keys.Format(), format.Value), coordination.ModIs(key, old.Mod)}
	res, err := q.KV.Commit(ctx, guards, []coordination.Change{change})
	if err != nil {
		return false, fmt.Errorf("write quota: %w", err)
	}
	if res.Committed {
		q.seen(ctx, res.Revision)
	}
	return res.Committed, nil
}

func (q *Quotas) hasRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.mu.byID) < q.Max
}
