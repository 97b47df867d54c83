package quota

import (
	"context"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/coordination"
)

// The quotas of one entity are one key, changed by compare-and-swap. A change is answered once this instance heeds it; the others do within a moment.

// List reads from etcd, so that it shows what any instance has acknowledged.
func (q *Quotas) List(ctx context.Context, f Filter) ([]Quota, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	items, _, err := q.view.All(ctx)
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
	return q.view.Repeat(ctx, func(bool) (bool, error) { return q.alter(ctx, e, ops) })
}

// alter tries once: done with an error is for good.
func (q *Quotas) alter(ctx context.Context, e Entity, ops []Op) (done bool, err error) {
	key := q.Keys.Quota(e.id())
	items, era, err := q.view.Read(ctx, key)
	if err != nil {
		return false, err
	}
	old := items[0]
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
	guards := []coordination.Guard{era, coordination.ModIs(key, old.Mod)}
	res, err := q.KV.Commit(ctx, guards, []coordination.Change{change})
	if err != nil {
		return false, fmt.Errorf("write quota: %w", err)
	}
	if res.Committed {
		q.view.Seen(ctx, res.Revision)
	}
	return res.Committed, nil
}

func (q *Quotas) hasRoom() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.mu.byID) < q.Max
}
