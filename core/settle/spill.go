package settle

import (
	"context"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/reference"
	"github.com/firnlog/firnlog/objectstore"
)

// spillMax is how many objects one spill hands over.
const spillMax = manifest.PageEntries

// spillable gives the first spans of a head, if they are enough to spill: objects of this partition alone, below the last stable
// offset, so that every transaction in them has ended and the manifest can say which were aborted.
func (p *planner) spillable(part *partition) []ledger.Span {
	n, end := 0, record.Offset(-1)
	if part.manifest != nil {
		end = part.manifest.End
	}
	for ; n < min(len(part.stored), spillMax); n++ {
		s := &part.stored[n]
		if !settledOwn(s) || s.End > part.stable || end >= 0 && s.Base != end || p.damaged(part.tp, s.Segment) {
			break
		}
		end = s.End
	}
	if n < p.SpillObjects && (n == 0 || !p.urgent(part.tp)) {
		return nil
	}
	return part.stored[:n]
}

// spills lists the partitions that have enough.
func (p *planner) spills(parts []partition) (out []*partition) {
	for i := range parts {
		if p.spillable(&parts[i]) != nil {
			out = append(out, &parts[i])
		}
	}
	return out
}

// spill makes a manifest that lists, after what the one before has, the first objects of a head, and lets the head refer to it
// instead. Pages are put first, then the root, then the references are swapped. moved is false where somebody else was faster: then
// this instance has yet to see it, and must not put another root at once.
func (s *Settler) spill(ctx context.Context, part *partition, spans []ledger.Span) (moved bool, err error) {
	report, gets := Report{Kind: "spill"}, s.archive.Gets()
	defer func() {
		report.Gets = int(s.archive.Gets() - gets)
		if s.Observe != nil {
			s.Observe(report)
		}
	}()
	entries, err := s.entries(ctx, part.tp, spans)
	if err != nil {
		return false, err
	}
	root, err := s.root(ctx, part)
	if err != nil {
		return false, err
	}
	var aborted []ledger.Aborted
	if err := s.Stream.View(func(l *ledger.Ledger) {
		aborted = l.Partition(part.tp).AbortedIn(0, entries[len(entries)-1].End)
	}); err != nil {
		return false, err
	}
	change, err := root.Append(entries, aborted, manifest.Pager{ID: s.Stream.NewID})
	if err != nil {
		return false, err
	}
	c := reference.Change{Partition: part.tp, Remove: spans, Manifest: &reference.Manifest{}}
	if part.manifest != nil {
		c.Manifest.Old = part.manifest.ID
	}
	if c.Manifest.New, c.Objects, err = s.putManifest(ctx, part.tp, change, &report); err != nil {
		return false, err
	}
	outcomes, err := s.swapper.Swap(ctx, []reference.Change{c})
	if moved = len(outcomes) > 0 && outcomes[0] == reference.Swapped; moved {
		report.Partitions++
	} else {
		report.LeftOut++
	}
	return moved, err
}

// entries finds the blocks of spans in the indexes of their objects.
func (s *Settler) entries(ctx context.Context, tp record.TopicPartition, spans []ledger.Span) ([]manifest.Entry, error) {
	out := make([]manifest.Entry, len(spans))
	for i := range spans {
		x, err := s.archive.Index(ctx, spans[i].Key(tp))
		runs := x.From(spans[i].Position, spans[i].Length)
		if err == nil && (len(runs) != 1 || runs[0].Base != spans[i].Base || !endsWith(&spans[i], runs[0].End) || runs[0].Length != spans[i].Length) {
			err = fmt.Errorf("%s has no run of offsets %d to %d: %w", spans[i].Key(tp), spans[i].Base, spans[i].End, record.ErrCorrupt)
		}
		if err != nil {
			s.spoiled(tp, &spans[i], err)
			return nil, err
		}
		out[i] = manifest.Entry{Span: spans[i], Blocks: runs[0].Blocks}
		out[i].Revision, out[i].End = 0, runs[0].End
		out[i] = out[i].Cut(spans[i].End)
	}
	return out, nil
}

// endsWith says whether a span goes up to the end of its run; a fork's may end before.
func endsWith(s *ledger.Span, end record.Offset) bool {
	return s.End == end || s.End < end && s.Owner != (record.TopicPartition{})
}

// spoiled notes an index that cannot be read: this partition is not spilled until it is tried again.
func (s *Settler) spoiled(tp record.TopicPartition, span *ledger.Span, err error) {
	if !errors.Is(err, objectstore.ErrUnavailable) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		s.noteDamage(tp, span.Segment)
	}
}

// root is the manifest that is there; one that belongs to another partition is adopted first.
func (s *Settler) root(ctx context.Context, part *partition) (*manifest.Root, error) {
	m := part.manifest
	if m == nil {
		return &manifest.Root{}, nil
	}
	root, err := s.archive.Root(ctx, part.tp, m)
	if err != nil {
		return nil, err
	}
	if m.Owner == (record.TopicPartition{}) {
		return root, nil
	}
	cut, err := root.Cut(m.End, manifest.Pager{ID: s.Stream.NewID, Load: func(ref manifest.PageRef) ([]manifest.Entry, error) {
		return s.archive.Page(ctx, m.Owner, ref)
	}})
	if err != nil {
		return nil, err
	}
	if len(cut.Pages) > 0 {
		return nil, fmt.Errorf("cut a shared manifest: %d new pages: %w", len(cut.Pages), manifest.ErrMismatch)
	}
	return cut.Root.Adopt(m.Owner), nil
}

// putManifest puts pages, then the root, and gives what a head says of it.
func (s *Settler) putManifest(ctx context.Context, tp record.TopicPartition, c manifest.Change, report *Report) (*ledger.Manifest, []ulid.ULID, error) {
	put := func(id ulid.ULID, body []byte) error {
		report.Puts++
		report.BytesOut += int64(len(body))
		if err := s.Store.Put(ctx, ledger.ManifestKey(tp, id), body); err != nil {
			return fmt.Errorf("put manifest: %w", err)
		}
		return nil
	}
	var pages []ulid.ULID
	for _, p := range c.Pages {
		if err := put(p.ID, p.Body); err != nil {
			return nil, nil, err
		}
		pages = append(pages, p.ID)
	}
	m := c.Root.Sums()
	id, err := s.Stream.NewID()
	if err != nil {
		return nil, nil, err
	}
	m.ID = id
	return &m, pages, put(id, c.Root.Encode())
}
