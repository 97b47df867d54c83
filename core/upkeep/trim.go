package upkeep

import (
	"context"
	"fmt"
	"strconv"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/rule"
)

const (
	// trimMax is how many commit keys one transaction empties or deletes.
	trimMax = 100
	// trimPage is how many keys are listed at a time.
	trimPage = 1000
)

// Trim empties the commits that the heads of all their partitions cover, and
// deletes those of them that the floor has passed.
//
// The key stays until the floor has passed its id: a writer that was paused, or whose answer
// was lost, finds it there, or may no longer write it. Both are compared where they are
// written: the floor by its value, an emptied commit by its mod revision. As-of only
// grows, so reading heads first and deleting later needs no guard on them.
//
// What is covered is also written down, so that who reads commits now and then (stream, visit.go) leaves these out instead of
// reading their empty keys until the floor has passed them. It is true for ever in its era, whoever writes it and however late, so
// it needs no guard but the format, and it goes along with what is emptied.
func (u *Upkeep) Trim(ctx context.Context) error {
	t := trim{u: u}
	if err := u.Stream.View(func(l *ledger.Ledger) { t.through, t.floor, t.format = l.CoveredThrough(), l.Floor(), l.FormatValue() }); err != nil {
		return err
	}
	r := coordination.Range{Prefix: u.Keys.Commits(), Limit: trimPage, KeysOnly: true}
	for {
		page, err := u.KV.List(ctx, r)
		if err != nil {
			return fmt.Errorf("list commits: %w", err)
		}
		for _, it := range page.Items {
			if it.Create > t.through {
				continue
			}
			if err := t.add(ctx, it); err != nil {
				return err
			}
		}
		if !page.More {
			return t.flush(ctx)
		}
		r.After = page.Items[len(page.Items)-1].Key
	}
}

// trim gathers two kinds of transactions.
type trim struct {
	u       *Upkeep
	through coordination.Revision // covered
	floor   coordination.Mark
	format  []byte // of the era in which the commits are covered
	deletes []coordination.Change
	empties []coordination.Change
	guards  []coordination.Guard // of empties
}

func (t *trim) add(ctx context.Context, it coordination.Item) error {
	id := t.u.Keys.ParseLog(it.Key).ID
	switch {
	case coordination.MarkOf(id) <= t.floor || !rule.On(rule.TrimBelowFloor):
		t.deletes = append(t.deletes, coordination.DeleteKey(it.Key))
	case it.Mod == it.Create:
		t.empties = append(t.empties, coordination.PutKey(it.Key, nil))
		t.guards = append(t.guards, coordination.ModIs(it.Key, it.Mod))
	}
	if len(t.deletes) >= trimMax || len(t.empties) >= trimMax {
		return t.flush(ctx)
	}
	return nil
}

func (t *trim) flush(ctx context.Context) error {
	if len(t.deletes) > 0 {
		guards := []coordination.Guard{coordination.ValueIs(t.u.Keys.Floor(), t.floor.Bytes())}
		if !rule.On(rule.TrimBelowFloor) {
			guards = nil
		}
		if _, err := t.u.commit(ctx, t.format, guards, t.deletes); err != nil {
			return fmt.Errorf("trim %d commits: %w", len(t.deletes), err)
		}
	}
	if len(t.empties) > 0 {
		t.empties = append(t.empties, coordination.PutKey(t.u.Keys.Covered(), strconv.AppendInt(nil, int64(t.through), 10)))
		if _, err := t.u.commit(ctx, t.format, t.guards, t.empties); err != nil {
			return fmt.Errorf("empty %d commits: %w", len(t.empties)-1, err)
		}
	}
	t.deletes, t.empties, t.guards = nil, nil, nil
	return nil
}
