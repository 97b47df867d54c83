package fetch

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
)

// The first record with the greatest timestamp is searched from the top: pages, entries and spans, and blocks say what they
// hold at most, and whichever says most is opened next. So some page and some block are read, however much there is; more
// only where a max timestamp was a marker's, or the producer's word and too high.

// MaxTimestamp implements Reader.
func (f *Fetcher) MaxTimestamp(ctx context.Context, tp record.TopicPartition) (Found, error) {
	return twice(func() (Found, error) {
		bounds, err := f.Bounds(ctx, tp)
		if err != nil {
			return Found{-1, -1}, err
		}
		s := search{f: f, ctx: ctx, tp: tp, start: bounds.LogStart, best: Found{-1, -1}}
		if err := s.begin(); err != nil {
			return Found{-1, -1}, classOf(err)
		}
		return s.run()
	})
}

type search struct {
	f     *Fetcher
	ctx   context.Context
	tp    record.TopicPartition
	start record.Offset // the log's
	shelf *archive.Shelf
	open  []place
	best  Found
}

// place may hold what is searched: a page, a span with or without known blocks, or a piece.
type place struct {
	base  record.Offset
	most  int64 // ms
	page  *manifest.PageRef
	entry *candidate
	piece *piece
}

// begin takes the head's spans and the manifest's pages, as of one revision.
func (s *search) begin() error {
	var m *ledger.Manifest
	_ = s.f.Stream.View(func(l *ledger.Ledger) {
		p := l.Partition(s.tp)
		m = p.Manifest()
		p.FirstSpan(s.start, func(span *ledger.Span) bool {
			if span.Inline == nil {
				s.add(manifest.Entry{Span: *span}, s.f.heatOf(l, span))
			}
			return false
		})
	})
	if m == nil || m.End <= s.start {
		return nil
	}
	shelf, err := s.f.Archive.Open(s.ctx, s.tp, m)
	if err != nil {
		return err
	}
	s.shelf = shelf
	for i := range shelf.Root().Pages {
		if p := &shelf.Root().Pages[i]; p.End > s.start && p.Base < m.End {
			s.open = append(s.open, place{base: p.Base, most: p.MaxTimestamp, page: p})
		}
	}
	for _, e := range shelf.Newest() {
		s.add(e, cache.Cold)
	}
	return nil
}

func (s *search) add(e manifest.Entry, heat cache.Heat) {
	if e.End > s.start && e.Length > 0 {
		s.open = append(s.open, place{base: e.Base, most: e.MaxTimestamp, entry: &candidate{e, heat}})
	}
}

func (s *search) run() (Found, error) {
	for len(s.open) > 0 {
		slices.SortFunc(s.open, func(a, b place) int { return cmp.Or(cmp.Compare(a.most, b.most), cmp.Compare(b.base, a.base)) })
		last := len(s.open) - 1
		next := s.open[last]
		s.open = s.open[:last]
		if s.best.Offset >= 0 && (s.best.Timestamp > next.most || s.best.Timestamp == next.most && s.best.Offset < next.base) {
			break
		}
		if err := s.look(&next); err != nil {
			return Found{-1, -1}, err
		}
	}
	return s.best, nil
}

func (s *search) look(p *place) error {
	switch {
	case p.page != nil:
		entries, err := s.shelf.Page(s.ctx, *p.page)
		if err != nil {
			return classOf(err)
		}
		for _, e := range entries {
			s.add(e, cache.Cold)
		}
	case p.entry != nil:
		blocks, err := s.f.blocksOf(s.ctx, s.tp, p.entry)
		if err != nil {
			return classOf(err)
		}
		blocksOf(&p.entry.Span, blocks, func(span *ledger.Span) bool {
			if span.End > s.start {
				one := newPiece(s.tp, span, p.entry.heat)
				s.open = append(s.open, place{base: span.Base, most: span.MaxTimestamp, piece: &one})
			}
			return true
		})
	default:
		_, err := s.f.inPiece(s.ctx, p.piece, func(base record.Offset, b []byte, h record.Header) (Found, bool, error) {
			return Found{}, false, s.inBatch(base, b, h)
		})
		return err
	}
	return nil
}

// inBatch keeps the best record of a batch, if it is better than what was found.
func (s *search) inBatch(base record.Offset, b []byte, h record.Header) error {
	least := s.best.Timestamp
	if s.best.Offset < 0 {
		least = math.MinInt64
	}
	if h.MaxTimestamp < least || base+record.Offset(h.LastOffsetDelta) < s.start {
		return nil
	}
	for r, err := range record.Records(b, record.DecompressedBytesMax) {
		if err != nil {
			return err
		}
		at, ts := base+record.Offset(r.OffsetDelta), h.TimestampOf(r)
		if at >= s.start && (s.best.Offset < 0 || ts > s.best.Timestamp || ts == s.best.Timestamp && at < s.best.Offset) {
			s.best = Found{at, ts}
		}
	}
	return nil
}
