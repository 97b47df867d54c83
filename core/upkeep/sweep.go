package upkeep

import (
	"context"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/rule"
)

const (
	sweepPage   = 1000
	sweepDelete = 100
)

// Sweep deletes objects that nothing refers to. It alone deletes.
//
//  1. The floor: no id at or below it can be newly referred to from here on.
//  2. Only then the references, all at one revision: commits and heads.
//  3. The list of objects from its beginning, since late puts land anywhere.
//  4. What is at or below the floor and unreferenced becomes a suspect; what was a
//     suspect a grace ago and still is, goes. The grace is for readers that hold a
//     reference which maintenance has replaced.
//
// Objects from before this era are left alone: an etcd that was lost and began anew refers to none of them,
// and they are all there is to restore it from.
//
// Were the references read before the floor, a paused writer could commit its
// segment in between, and it would be deleted though it is referred to.
func (u *Upkeep) Sweep(ctx context.Context) error {
	var refs map[ulid.ULID]struct{}
	var err error
	if !rule.On(rule.RefsAfterFloor) {
		if refs, err = u.references(ctx); err != nil {
			return err
		}
	}
	if err := u.RaiseFloor(ctx); err != nil {
		return err
	}
	snap, err := u.KV.Get(ctx, u.Keys.Floor(), u.Keys.Format())
	if err != nil {
		return fmt.Errorf("read floor: %w", err)
	}
	if string(snap.Items[1].Value) != string(u.Stream.FormatValue()) {
		return nil // another era: what this instance knows is void
	}
	floor, err := coordination.ParseMark(snap.Items[0].Value)
	if err != nil {
		return err
	}
	if refs == nil {
		if refs, err = u.references(ctx); err != nil {
			return err
		}
	}
	if err := u.sweepObjects(ctx, string(snap.Items[1].Value), floor, refs); err != nil {
		return err
	}
	return u.sweepBackups(ctx, string(snap.Items[1].Value), floor)
}

// sweepBackups deletes backups and journal objects that have outlived their use. What they alone referred to is
// found unreferenced by the next sweep.
func (u *Upkeep) sweepBackups(ctx context.Context, era string, floor coordination.Mark) error {
	if u.Outlived == nil {
		return nil
	}
	format, err := ledger.DecodeFormat([]byte(era))
	if err != nil {
		return err
	}
	keys, err := u.Outlived(ctx, format.Since, floor)
	if err != nil {
		return fmt.Errorf("list backups that are needed no more: %w", err)
	}
	return u.delete(ctx, era, keys)
}

// references reads every object that a commit or a head names, at one revision.
func (u *Upkeep) references(ctx context.Context) (map[ulid.ULID]struct{}, error) {
	refs := map[ulid.ULID]struct{}{}
	at := coordination.Revision(0)
	for _, prefix := range []string{u.Keys.Commits(), u.Keys.Heads()} {
		r := coordination.Range{Prefix: prefix, Limit: sweepPage, At: at}
		for {
			page, err := u.KV.List(ctx, r)
			if err != nil {
				return nil, fmt.Errorf("read references: %w", err)
			}
			if at == 0 {
				at = page.Revision
			}
			r.At = at
			for _, it := range page.Items {
				if err := u.refer(refs, it); err != nil {
					return nil, err
				}
			}
			if !page.More {
				break
			}
			r.After = page.Items[len(page.Items)-1].Key
		}
	}
	if u.Retained != nil {
		if err := u.Retained(ctx, func(it coordination.Item) error { return u.refer(refs, it) }); err != nil {
			return nil, fmt.Errorf("read references of backups: %w", err)
		}
	}
	return refs, nil
}

func (u *Upkeep) refer(refs map[ulid.ULID]struct{}, it coordination.Item) error {
	if len(it.Value) == 0 {
		return nil // an emptied commit: heads name what it brought
	}
	if u.Keys.ParseLog(it.Key).Family == coordination.FamilyCommit {
		c, err := ledger.DecodeCommit(it.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", it.Key, err)
		}
		for _, s := range c.Segments {
			refs[s.ID] = struct{}{}
		}
		return nil
	}
	h, err := ledger.DecodeHead(it.Value)
	if err != nil {
		return fmt.Errorf("%s: %w", it.Key, err)
	}
	for i := range h.Spans {
		if h.Spans[i].Inline == nil {
			refs[h.Spans[i].Segment] = struct{}{}
		}
	}
	return nil
}

func (u *Upkeep) sweepObjects(ctx context.Context, era string, floor coordination.Mark, refs map[ulid.ULID]struct{}) error {
	var doomed []string
	seen := map[ulid.ULID]struct{}{}
	format, err := ledger.DecodeFormat([]byte(era))
	if err != nil {
		return err
	}
	for after := ledger.SegmentKey(lastAt(format.Since)); ; {
		list, err := u.Store.List(ctx, ledger.SegmentPrefix, after, sweepPage)
		if err != nil {
			return fmt.Errorf("list segments: %w", err)
		}
		for _, o := range list {
			id, err := ledger.ParseSegmentKey(o.Key)
			if err != nil {
				u.Log.Warn("object with a foreign name left alone", "key", o.Key)
				continue
			}
			if _, used := refs[id]; used || coordination.MarkOf(id) > floor {
				continue
			}
			seen[id] = struct{}{}
			if u.suspectFor(id) {
				doomed = append(doomed, o.Key)
			}
		}
		if len(list) < sweepPage {
			break
		}
		after = list[len(list)-1].Key
	}
	u.forgetSuspects(seen)
	return u.delete(ctx, era, doomed)
}

// lastAt is the greatest id with this time.
func lastAt(m coordination.Mark) (id ulid.ULID) {
	for i := range id {
		id[i] = 0xff
	}
	_ = id.SetTime(uint64(m)) // fits: marks are times of ids
	return id
}

// suspectFor notes an unreferenced object, and says whether it has been one for the grace.
func (u *Upkeep) suspectFor(id ulid.ULID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	since, known := u.mu.suspects[id]
	if !known {
		u.mu.suspects[id] = u.Now()
		return u.SweepGrace == 0
	}
	return u.Now().Sub(since) >= u.SweepGrace
}

func (u *Upkeep) forgetSuspects(still map[ulid.ULID]struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range u.mu.suspects {
		if _, ok := still[id]; !ok {
			delete(u.mu.suspects, id)
		}
	}
}

// delete removes objects, as long as log/format is what it was when they were judged.
func (u *Upkeep) delete(ctx context.Context, era string, keys []string) error {
	for len(keys) > 0 {
		// A restore in the meantime may refer to them again.
		snap, err := u.KV.Get(ctx, u.Keys.Format())
		if err != nil {
			return fmt.Errorf("read format: %w", err)
		}
		if string(snap.Items[0].Value) != era {
			return nil
		}
		n := min(len(keys), sweepDelete)
		if err := u.Store.Delete(ctx, keys[:n]...); err != nil {
			return fmt.Errorf("delete %d unreferenced objects: %w", n, err)
		}
		u.Log.Info("unreferenced objects deleted", "count", n, "first", keys[0])
		keys = keys[n:]
	}
	return nil
}
