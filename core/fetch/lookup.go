package fetch

import (
	"context"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
)

// Bounds implements Reader.
func (f *Fetcher) Bounds(ctx context.Context, tp record.TopicPartition) (b Bounds, err error) {
	f.Stream.Want(tp)
	if err := f.Stream.Barrier(ctx); err != nil {
		return Bounds{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	known := false
	err = f.Stream.View(func(l *ledger.Ledger) {
		if known = l.Has(tp); known {
			p := l.Partition(tp)
			b = Bounds{p.LogStart(), p.Next(), p.LastStable()}
		}
	})
	switch {
	case err != nil:
		return Bounds{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !known:
		return Bounds{}, ErrUnknownPartition
	}
	return b, nil
}

// AtTime implements Reader.
func (f *Fetcher) AtTime(ctx context.Context, tp record.TopicPartition, ms int64, readCommitted bool) (Found, error) {
	return twice(func() (Found, error) { return f.atTime(ctx, tp, ms, readCommitted) })
}

// twice looks again, behind a barrier of its own, where an object was not there: its
// reference was replaced, or its records deleted, while it was asked for. It goes on as long as it is always another one.
func twice(look func() (Found, error)) (found Found, err error) {
	before := ""
	for range replansMax {
		found, err = look()
		if !errors.Is(err, objectstore.ErrNotFound) || err.Error() == before {
			break
		}
		before = err.Error()
	}
	return found, err
}

// Both look-ups find records: transaction markers are passed over.
//
// atTime looks at pieces in the order of offsets and opens those whose max timestamp says that
// they hold such a record.
func (f *Fetcher) atTime(ctx context.Context, tp record.TopicPartition, ms int64, readCommitted bool) (Found, error) {
	bounds, err := f.Bounds(ctx, tp)
	if err != nil {
		return Found{-1, -1}, err
	}
	end := bounds.HighWatermark
	if readCommitted {
		end = bounds.LastStable
	}
	for from := bounds.LogStart; from < end; {
		p, ok, err := f.firstAt(ctx, tp, from, ms)
		if err != nil {
			return Found{-1, -1}, classOf(err)
		}
		if !ok || p.Base >= end {
			break
		}
		found, err := f.inPiece(ctx, &p, func(base record.Offset, b []byte, h record.Header) (Found, bool, error) {
			if h.MaxTimestamp < ms {
				return Found{}, false, nil
			}
			// What is in a segment has the producer's base offset, so offsets in it count from there.
			offset, ts, ok, err := record.FirstAtOrAfter(b, ms, max(bounds.LogStart, from)-base+h.BaseOffset, record.DecompressedBytesMax)
			offset += base - h.BaseOffset
			return Found{offset, ts}, ok && offset < end, err
		})
		if err != nil || found.Offset >= 0 {
			return found, err
		}
		from = p.End // its max timestamp was the producer's word only
	}
	return Found{-1, -1}, nil
}

// firstAt gives the first piece that ends after from and may hold a record with a timestamp of at least ms.
func (f *Fetcher) firstAt(ctx context.Context, tp record.TopicPartition, from record.Offset, ms int64) (piece, bool, error) {
	for {
		c, ok, err := f.candidate(ctx, tp, from, ms)
		if !ok || err != nil {
			return piece{}, false, err
		}
		blocks, err := f.blocksOf(ctx, tp, &c)
		if err != nil {
			return piece{}, false, err
		}
		var found piece
		none := blocksOf(&c.Span, blocks, func(s *ledger.Span) bool {
			if s.End <= from || s.MaxTimestamp < ms || s.Length == 0 {
				return true
			}
			found = newPiece(tp, s, c.heat)
			return false
		})
		if !none {
			return found, true, nil
		}
		from = c.End
	}
}

// candidate is a span with what is known of its blocks.
type candidate struct {
	manifest.Entry
	heat cache.Heat
}

func (f *Fetcher) blocksOf(ctx context.Context, tp record.TopicPartition, c *candidate) ([]segment.Block, error) {
	if len(c.Blocks) > 0 {
		return c.Blocks, nil
	}
	return f.blocks(ctx, tp, &c.Span)
}

// candidate gives the first span that ends after from and may hold a record with a timestamp of at least ms, from the manifest or the head.
func (f *Fetcher) candidate(ctx context.Context, tp record.TopicPartition, from record.Offset, ms int64) (c candidate, ok bool, err error) {
	var m *ledger.Manifest
	// Not ready any more counts as nothing found: the next request says so.
	_ = f.Stream.View(func(l *ledger.Ledger) {
		p := l.Partition(tp)
		m = p.Manifest()
		if c.Span, ok = p.FirstSpan(from, func(s *ledger.Span) bool { return s.Inline == nil && s.MaxTimestamp >= ms }); ok {
			c.heat = f.heatOf(l, &c.Span)
		}
	})
	if m == nil || from >= m.End || m.MaxTimestamp < ms {
		return c, ok, nil
	}
	shelf, err := f.Archive.Open(ctx, tp, m)
	if err != nil {
		return c, false, err
	}
	e, found, err := shelf.FirstAt(ctx, from, ms)
	if err != nil {
		return c, false, err
	}
	if found {
		return candidate{e, cache.Cold}, true, nil
	}
	return c, ok, nil
}

// inPiece loads a piece and asks look about each batch of records until it has found something.
func (f *Fetcher) inPiece(ctx context.Context, p *piece, look func(base record.Offset, b []byte, h record.Header) (Found, bool, error)) (Found, error) {
	none := Found{-1, -1}
	o, err := f.get(ctx, p)
	if err != nil {
		return none, classOf(err)
	}
	out := none
	var failed error
	err = eachBatch(o, p, func(base record.Offset, h record.Header, b []byte) bool {
		if h.IsControl() {
			return true
		}
		found, ok, err := look(base, b, h)
		if err != nil {
			failed = fmt.Errorf("%w: batch at offset %d: %w", ErrStorage, base, err)
			return false
		}
		if ok {
			out = found
		}
		return !ok
	})
	if err != nil {
		return none, fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return out, failed
}
