package fork

import (
	"context"
	"fmt"
	"iter"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
)

// Where a fork of an earlier time ends.
//
// firstSince finds the batch of the first record with that time or a later one as ListOffsets does: by the max timestamps of what heads and
// manifests list, so that a block or two are read.
//
// openAt finds the transactions that have data before an offset and no marker there. Nothing lists them: those that were committed later
// leave no trace but batch and marker. So the batches before the offset are read, from where all that lies before is older than the
// time by LookBack: a transaction cannot have been open that long. Aborted ones that are listed, and those open now, count whenever
// they began.
//
// Rejected: reading from the beginning of the log, which would cost a GET for each 4 MiB of years. What is missed therefore is a transaction
// whose records are dated more than LookBack before those beside them (a back-fill); the part of it before the end would count as
// committed.

// firstSince gives the base offset of the first batch with a record of that time (ms) or later.
func (s *source) firstSince(ctx context.Context, ms int64) (at record.Offset, found bool, err error) {
	start := s.head.LogStart
	for p, err := range s.pieces(ctx, start, ms) {
		if err != nil {
			return 0, false, err
		}
		if p.Inline != nil || p.MaxTimestamp < ms || p.Length == 0 {
			continue
		}
		err := s.batches(ctx, &p, func(base record.Offset, h record.Header) bool {
			found = !h.IsControl() && h.MaxTimestamp >= ms && base+record.Offset(h.LastOffsetDelta) >= start
			at = max(base, start)
			return !found
		})
		if found || err != nil {
			return at, found, err
		}
	}
	return 0, false, nil
}

// openAt lists the transactions that are open at an offset.
func (s *source) openAt(ctx context.Context, at record.Offset) ([]open, error) {
	since := s.At.Add(-s.LookBack).UnixMilli()
	var window []ledger.Span
	var listed []ledger.Aborted
	from, err := s.windowFrom(ctx, at, since)
	if err != nil {
		return nil, err
	}
	for p, err := range s.pieces(ctx, from, since) {
		switch {
		case err != nil:
			return nil, err
		case p.Base >= at:
		case p.Inline == nil && p.MaxTimestamp < since:
			window = window[:0]
			continue
		default:
			window = append(window, p)
			continue
		}
		break
	}
	found := map[record.ProducerID]open{}
	for i := range window {
		err := s.batches(ctx, &window[i], func(base record.Offset, h record.Header) bool {
			switch _, known := found[h.Producer]; {
			case base >= at:
				return false
			case h.IsControl():
				delete(found, h.Producer)
			case h.IsTransactional() && !known:
				found[h.Producer] = open{h.Producer, h.Epoch, base}
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	if listed, err = s.listedAt(ctx, at); err != nil {
		return nil, err
	}
	for _, a := range listed {
		o, known := found[a.Producer]
		if !known {
			o = open{producer: a.Producer, first: a.First}
		}
		o.first = min(o.first, a.First)
		found[a.Producer] = o
	}
	for i := range s.head.Producers {
		if p := &s.head.Producers[i]; p.OpenSerial > 0 && p.OpenFirst < at {
			found[p.ID] = open{p.ID, p.Epoch, p.OpenFirst}
		}
	}
	var out []open
	for _, o := range found {
		out = append(out, o)
	}
	return sorted(out), nil
}

// listedAt gives the transactions that were aborted at or behind an offset and began before it.
func (s *source) listedAt(ctx context.Context, at record.Offset) (out []ledger.Aborted, err error) {
	over := func(all []ledger.Aborted) {
		for _, a := range all {
			if a.First < at && a.Last >= at {
				out = append(out, a)
			}
		}
	}
	over(s.head.Aborted)
	if m := s.head.Manifest; m != nil && m.End > at {
		shelf, err := s.Archive.Open(ctx, s.tp, m)
		if err != nil {
			return nil, err
		}
		over(shelf.Root().Aborted)
		for e, err := range shelf.Entries(ctx, at-1) {
			if err != nil {
				return nil, err
			}
			over(e.Aborted)
			if e.End > at {
				break
			}
		}
	}
	return out, nil
}

// windowFrom passes over pages of the manifest of which all is older than since.
func (s *source) windowFrom(ctx context.Context, at record.Offset, since int64) (record.Offset, error) {
	from := s.head.LogStart
	if s.head.Manifest == nil {
		return from, nil
	}
	shelf, err := s.Archive.Open(ctx, s.tp, s.head.Manifest)
	if err != nil {
		return 0, err
	}
	for _, ref := range shelf.Root().Pages {
		if ref.End <= at && ref.MaxTimestamp < since {
			from = max(from, ref.End)
		}
	}
	return from, nil
}

// pieces walks what the head refers to, from an offset on, each a span that one GET reads. What is older than since is not divided.
func (s *source) pieces(ctx context.Context, from record.Offset, since int64) iter.Seq2[ledger.Span, error] {
	return func(yield func(ledger.Span, error) bool) {
		if m := s.head.Manifest; m != nil && from < m.End {
			shelf, err := s.Archive.Open(ctx, s.tp, m)
			if err != nil {
				yield(ledger.Span{}, err)
				return
			}
			for e, err := range shelf.Entries(ctx, from) {
				if err != nil || !divided(&e.Span, e.Blocks, from, yield) {
					if err != nil {
						yield(ledger.Span{}, err)
					}
					return
				}
			}
		}
		for i := range s.head.Spans {
			span := &s.head.Spans[i]
			var blocks []segment.Block
			var err error
			if span.End > from && span.Settled() && span.Inline == nil && span.Length > segment.BlockBytes && span.MaxTimestamp >= since {
				blocks, err = s.blocks(ctx, span)
			}
			if err != nil || !divided(span, blocks, from, yield) {
				if err != nil {
					yield(ledger.Span{}, err)
				}
				return
			}
		}
	}
}

// divided yields the blocks of a span that end after from; false: no more is wanted.
func divided(span *ledger.Span, blocks []segment.Block, from record.Offset, yield func(ledger.Span, error) bool) bool {
	if len(blocks) == 0 {
		return span.End <= from || yield(*span, nil)
	}
	part := *span
	part.End = span.Base
	for _, b := range blocks {
		part.Base, part.End, part.Length, part.MaxTimestamp = part.End, min(b.End, span.End), b.Length, b.MaxTimestamp
		if part.Base >= part.End {
			return true
		}
		if part.End > from && !yield(part, nil) {
			return false
		}
		part.Position += b.Length
	}
	return true
}

// blocks gives those of a span that the head names, from the index of its object.
func (s *source) blocks(ctx context.Context, span *ledger.Span) (out []segment.Block, err error) {
	x, err := s.Archive.Index(ctx, span.Key(s.tp))
	if err != nil {
		return nil, err
	}
	for _, run := range x.From(span.Position, span.Length) {
		if len(run.Blocks) == 0 && run.Length > 0 {
			out = append(out, segment.Block{Length: run.Length, End: run.End, MaxTimestamp: run.MaxTimestamp})
		}
		out = append(out, run.Blocks...)
	}
	return out, nil
}

// batches reads a piece and gives its batches with their offsets until fn says no.
func (s *source) batches(ctx context.Context, p *ledger.Span, fn func(base record.Offset, h record.Header) bool) error {
	if p.Inline != nil {
		h, err := record.ReadHeader(p.Inline.Batch())
		if err == nil {
			fn(p.Base, h)
		}
		return err
	}
	if p.Length == 0 {
		return nil
	}
	key := p.Key(s.tp)
	b, err := s.Store.Get(ctx, key, p.Position, p.Length)
	s.gets, s.attempt.bytes = s.gets+1, s.attempt.bytes+int64(len(b))
	if err == nil && int64(len(b)) != p.Length {
		err = fmt.Errorf("%d of %d bytes at %d: %w", len(b), p.Length, p.Position, objectstore.ErrRange)
	}
	if err != nil {
		return fmt.Errorf("get %s: %w", key, err)
	}
	next := p.Base
	for batch, err := range record.Batches(b) {
		var h record.Header
		if err == nil {
			h, err = record.Check(batch)
		}
		if err != nil {
			return fmt.Errorf("%s after offset %d: %w", key, next, err)
		}
		base := next
		if p.Settled() {
			if base = h.BaseOffset; base >= p.End {
				return nil
			}
		}
		if next = base + record.Offset(h.LastOffsetDelta) + 1; !fn(base, h) {
			return nil
		}
	}
	return nil
}
