package fetch

import (
	"context"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// Bounds implements Reader.
func (f *Fetcher) Bounds(ctx context.Context, tp record.TopicPartition) (b Bounds, err error) {
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
// reference was replaced, or its records deleted, while it was asked for.
func twice(look func() (Found, error)) (Found, error) {
	found, err := look()
	if errors.Is(err, objectstore.ErrNotFound) {
		return look()
	}
	return found, err
}

// Both look-ups find records: transaction markers are passed over.
//
// atTime looks at spans in the order of offsets and opens those whose max timestamp says that
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
	want := func(s *ledger.Span) bool { return s.Inline == nil && s.MaxTimestamp >= ms }
	for from := bounds.LogStart; from < end; {
		s, heat, ok := f.span(tp, from, want)
		if !ok || s.Base >= end {
			break
		}
		found, err := f.inSpan(ctx, &s, heat, func(base record.Offset, b []byte, h record.Header) (Found, bool, error) {
			if h.MaxTimestamp < ms {
				return Found{}, false, nil
			}
			// What is stored has the producer's base offset, so offsets in it count from there.
			offset, ts, ok, err := record.FirstAtOrAfter(b, ms, bounds.LogStart-base+h.BaseOffset, record.DecompressedBytesMax)
			offset += base - h.BaseOffset
			return Found{offset, ts}, ok && offset < end, err
		})
		if err != nil || found.Offset >= 0 {
			return found, err
		}
		from = s.End // its max timestamp was the producer's word only
	}
	return Found{-1, -1}, nil
}

// MaxTimestamp implements Reader.
func (f *Fetcher) MaxTimestamp(ctx context.Context, tp record.TopicPartition) (Found, error) {
	return twice(func() (Found, error) { return f.maxTimestamp(ctx, tp) })
}

func (f *Fetcher) maxTimestamp(ctx context.Context, tp record.TopicPartition) (Found, error) {
	bounds, err := f.Bounds(ctx, tp)
	if err != nil {
		return Found{-1, -1}, err
	}
	greatest := int64(-1)
	f.span(tp, bounds.LogStart, func(s *ledger.Span) bool {
		if s.Inline == nil {
			greatest = max(greatest, s.MaxTimestamp)
		}
		return false
	})
	s, heat, ok := f.span(tp, bounds.LogStart, func(s *ledger.Span) bool { return s.Inline == nil && s.MaxTimestamp == greatest })
	if !ok {
		return Found{-1, -1}, nil
	}
	return f.inSpan(ctx, &s, heat, func(base record.Offset, b []byte, h record.Header) (Found, bool, error) {
		if h.MaxTimestamp < greatest {
			return Found{}, false, nil
		}
		offset, ts, ok, err := record.MaxTimestampRecord(b, record.DecompressedBytesMax)
		return Found{offset + base - h.BaseOffset, ts}, ok, err
	})
}

func (f *Fetcher) span(tp record.TopicPartition, from record.Offset, want func(*ledger.Span) bool) (s ledger.Span, heat cache.Heat, ok bool) {
	// Not ready any more counts as nothing found: the next request says so.
	_ = f.Stream.View(func(l *ledger.Ledger) {
		if s, ok = l.Partition(tp).FirstSpan(from, want); ok {
			heat = f.heatOf(l, &s)
		}
	})
	return s, heat, ok
}

// inSpan loads a span and asks look about each batch until it has found something.
func (f *Fetcher) inSpan(ctx context.Context, s *ledger.Span, heat cache.Heat, look func(base record.Offset, b []byte, h record.Header) (Found, bool, error)) (Found, error) {
	none := Found{-1, -1}
	o, err := f.get(ctx, heat, ledger.SegmentKey(s.Segment))
	if err != nil {
		return none, classOf(err)
	}
	out := none
	var failed error
	err = eachBatch(o, s, func(base record.Offset, h record.Header, b []byte) bool {
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
