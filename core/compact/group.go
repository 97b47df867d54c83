package compact

import (
	"context"
	"fmt"
	"math"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/amend"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/reference"
	"github.com/firnlog/firnlog/core/segment"
)

// group is neighbouring items, all of the manifest or all of the head, that are swapped together: as a rule small ones that
// become one object.
type group struct {
	walk    *walk
	goal    manifest.Compaction
	items   []item
	batches [][]byte // what is left of them
	bytes   int64
	changed bool
}

func (g *group) add(it item, batches [][]byte, bytes int64, changed bool) {
	g.items = append(g.items, it)
	g.batches = append(g.batches, batches...)
	g.bytes += bytes
	g.changed = g.changed || changed
}

// swap puts what is left of the items and lets the manifest refer to it; the root then says how far the walk is. A single
// entry that did not change stays, without the list of aborted transactions, of which it holds nothing.
func (g *group) swap(ctx context.Context, next manifest.Compaction) error {
	if len(g.items) == 0 {
		return nil
	}
	var entries []manifest.Entry
	var objects []ulid.ULID
	if one := g.items[0]; len(g.items) == 1 && !g.changed {
		if len(one.Aborted) == 0 {
			return nil
		}
		one.Entry.Aborted = nil
		entries = []manifest.Entry{one.Entry}
	} else {
		var err error
		if entries, objects, err = g.put(ctx); err != nil {
			return err
		}
	}
	return g.amend(ctx, next, entries, objects)
}

// put writes objects of Bytes, cut between batches. Their extents join, whatever is gone between.
func (g *group) put(ctx context.Context) (entries []manifest.Entry, objects []ulid.ULID, err error) {
	base, end := g.items[0].Base, g.items[len(g.items)-1].End
	tier := uint8(0)
	for i := range g.items {
		tier = max(tier, g.items[i].Tier)
	}
	for rest := g.batches; ; {
		n, size := 0, int64(0)
		for n < len(rest) && (size < g.walk.Bytes || n == 0) {
			size += int64(len(rest[n]))
			n++
		}
		upTo := end
		if n < len(rest) {
			h, err := record.ReadHeader(rest[n])
			if err != nil {
				return nil, nil, err
			}
			upTo = h.BaseOffset
		}
		e, err := g.object(ctx, base, upTo, rest[:n])
		if err != nil {
			return nil, nil, err
		}
		e.Tier = min(tier, math.MaxUint8-1) + 1
		entries, objects = append(entries, e), append(objects, e.Segment)
		base, rest = upTo, rest[n:]
		if len(rest) == 0 {
			return entries, objects, nil
		}
	}
}

// object puts one object, and gives the entry that refers to it.
func (g *group) object(ctx context.Context, base, end record.Offset, batches [][]byte) (manifest.Entry, error) {
	w := g.walk
	builder := segment.NewSettled()
	_ = builder.Begin(w.job.tp, base) // errors stay, and Seal gives them
	for _, b := range batches {
		_ = builder.Add(b)
	}
	_ = builder.End(end)
	sealed, err := builder.Seal()
	if err != nil {
		return manifest.Entry{}, err
	}
	id, err := w.Stream.NewID()
	if err != nil {
		return manifest.Entry{}, err
	}
	if err := w.Store.Put(ctx, ledger.ObjectKey(ledger.InOwn, w.job.tp, id), sealed.Chunks...); err != nil {
		return manifest.Entry{}, fmt.Errorf("put compacted object: %w", err)
	}
	w.report.BytesOut += sealed.Size
	run := sealed.Runs[0]
	e := manifest.Entry{
		Span:   ledger.Span{Segment: id, Place: ledger.InOwn, Position: run.Position, Length: run.Length, Base: base, End: end, MaxTimestamp: run.MaxTimestamp},
		Blocks: run.Blocks,
	}
	if len(batches) == 0 {
		e.MaxTimestamp = g.newest() // it stays as young as it was, for retention
	}
	return e, nil
}

func (g *group) newest() int64 {
	newest := g.items[0].MaxTimestamp
	for i := range g.items {
		newest = max(newest, g.items[i].MaxTimestamp)
	}
	return newest
}

// amend swaps the manifest. Its edit demands that the walk is where this one left it: another walk may have brought
// keys that this one does not know.
func (g *group) amend(ctx context.Context, next manifest.Compaction, entries []manifest.Entry, objects []ulid.ULID) error {
	w := g.walk
	old := make([]manifest.Entry, len(g.items))
	var spans []ledger.Span
	for i := range g.items {
		old[i] = g.items[i].Entry
		if g.items[i].inHead {
			spans = append(spans, g.items[i].Span)
		}
	}
	end := old[len(old)-1].End
	return g.commit(ctx, next, amend.Amendment{
		Partition: w.job.tp, Remove: spans, Objects: objects,
		Edit: func(root *manifest.Root, p manifest.Pager) (manifest.Change, error) {
			var change manifest.Change
			var err error
			switch {
			case root.Compaction != w.progress:
				err = manifest.ErrMismatch
			case len(spans) > 0:
				change, err = root.Append(entries, nil, p)
			default:
				change, err = root.Replace(old, entries, p)
			}
			if err != nil {
				return manifest.Change{}, err
			}
			change.Root = compacted(change.Root, end, next)
			return change, nil
		},
	})
}

// note writes the progress of the walk alone.
func (g *group) note(ctx context.Context, next manifest.Compaction) error {
	return g.commit(ctx, next, amend.Amendment{
		Partition: g.walk.job.tp,
		Edit: func(root *manifest.Root, _ manifest.Pager) (manifest.Change, error) {
			if root.Compaction != g.walk.progress {
				return manifest.Change{}, manifest.ErrMismatch
			}
			return manifest.Change{Root: compacted(root, 0, next)}, nil
		},
	})
}

// compacted is a root whose offsets below end have lost their aborted records: a reader that is told of a transaction
// must also meet its marker, which goes one day.
func compacted(root *manifest.Root, end record.Offset, next manifest.Compaction) *manifest.Root {
	out := *root
	out.Compaction = next
	out.Aborted = nil
	for _, a := range root.Aborted {
		if a.Last >= end {
			out.Aborted = append(out.Aborted, a)
		}
	}
	return &out
}

func (g *group) commit(ctx context.Context, next manifest.Compaction, am amend.Amendment) error {
	am.Format = g.walk.job.format
	out, err := g.walk.Amender.Amend(ctx, am)
	if err != nil {
		return err
	}
	if out != reference.Swapped {
		return fmt.Errorf("%w: references are %v", errStop, out)
	}
	g.walk.progress = next
	g.walk.report.Groups++
	return nil
}
