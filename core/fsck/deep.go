package fsck

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// deep reads the bytes of all references: first of segments and shared objects, object by object, then of each
// partition's own.
func (r *run) deep(ctx context.Context) error {
	d := &deep{run: r, reader: newReader(r.c.Store, r.archive, func(ctx context.Context, _ int64) error { return ctx.Err() })}
	byKey := d.mixed()
	keys := make([]string, 0, len(byKey))
	for key := range byKey {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	partitions := r.now.ordered()
	d.total = len(keys) + len(partitions)
	for _, key := range keys {
		if err := d.step(ctx, "1 "+key, func() error { return d.object(ctx, byKey[key]) }); err != nil {
			return err
		}
	}
	for _, tp := range partitions {
		if err := d.step(ctx, "2 "+ledger.Folder("", tp), func() error { return d.partition(ctx, tp) }); err != nil {
			return err
		}
	}
	r.report.Next = ""
	return nil
}

type deep struct {
	*run
	reader      *reader
	done, total int
	newer       *snapshot // of when something was wrong
}

// step does what comes after Settings.After, and notes where to go on.
func (d *deep) step(ctx context.Context, place string, do func() error) error {
	d.c.Progress("reading bytes", d.done, d.total)
	d.done++
	if place > d.c.After {
		if err := do(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	d.report.Next = place
	c := &d.report.Counts
	c.DeepBytes, c.DeepBatches = d.reader.bytes, d.reader.batches
	return nil
}

// wants says whether an object is in the sample.
func (d *deep) wants(key string) bool {
	if d.c.Deep {
		return true
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", d.c.Seed, key)
	const parts = 1 << 20
	return float64(h.Sum64()>>13%parts) < d.c.Sample*parts
}

// mixed gathers the stretches in objects of many partitions, in the order of positions.
func (d *deep) mixed() map[string][]stretch {
	all := map[string][]stretch{}
	for _, tp := range d.now.ordered() {
		l := lookAt(d.now.ledger, tp)
		for i := range l.spans {
			if key := l.spans[i].Key(tp); isMixed(key) && l.spans[i].End > l.start && d.wants(key) {
				all[key] = append(all[key], l.stretch(&l.spans[i]))
			}
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b stretch) int { return int(a.Position - b.Position) })
	}
	return all
}

func isMixed(key string) bool {
	return strings.HasPrefix(key, ledger.SegmentPrefix) || strings.HasPrefix(key, ledger.SharedPrefix)
}

func (d *deep) object(ctx context.Context, list []stretch) error {
	last := &list[len(list)-1]
	for i := range list {
		if err := d.check(ctx, &list[i], last.Position+last.Length); err != nil {
			return err
		}
	}
	return nil
}

// partition reads what lies in objects of one partition.
func (d *deep) partition(ctx context.Context, tp record.TopicPartition) error {
	err := lookAt(d.now.ledger, tp).each(ctx, d.archive, -1, func(s *stretch) error {
		if key := s.Key(tp); isMixed(key) || !d.wants(key) {
			return nil
		}
		return d.check(ctx, s, s.Position+s.Length)
	})
	if isDamage(err) {
		return nil // was said, or the manifest was replaced
	}
	return err
}

// check reads one stretch. What is wrong in one that maintenance has replaced meanwhile is no finding.
func (d *deep) check(ctx context.Context, s *stretch, until int64) error {
	found, err := d.reader.check(ctx, s, until)
	gone := errors.Is(err, objectstore.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	d.report.Counts.DeepStretch++
	if !gone && len(found) == 0 {
		return nil
	}
	still, err := d.stands(ctx, s)
	switch {
	case err != nil:
		return err
	case !still:
		d.report.Counts.DeepReplaced++
	case gone && !d.isSaid(s.Key(s.tp)):
		d.report.add(finding(Missing, s.name, "%s of offsets %d to %d", s.Key(s.tp), s.Base, s.End-1))
	default:
		d.report.add(found...)
	}
	return nil
}

// isSaid: the listing has found it missing before.
func (d *deep) isSaid(key string) bool {
	for _, s := range d.again {
		for _, f := range s.found {
			if f.Kind == Missing && strings.HasPrefix(f.What, key) {
				return true
			}
		}
	}
	return false
}

// stands says whether etcd still refers to a stretch.
func (d *deep) stands(ctx context.Context, s *stretch) (bool, error) {
	snap, err := d.c.KV.Get(ctx, d.c.keys.Format())
	if err != nil {
		return false, fmt.Errorf("read revision: %w", err)
	}
	if d.newer == nil || snap.Revision > d.newer.revision {
		if d.newer, err = d.c.snapshot(ctx, func(Finding) {}); err != nil {
			return false, err
		}
	}
	return lookAt(d.newer.ledger, s.tp).names(ctx, d.archive, s)
}
