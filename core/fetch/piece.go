package fetch

import (
	"context"
	"fmt"
	"strconv"

	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
	"github.com/firnlog/firnlog/objectstore"
)

// spanBytesMax is up to which length a settled span is read with one GET; of longer ones a block is. It leaves room for what
// is a little longer than a block.
const spanBytesMax = segment.BlockBytes + segment.BlockBytes/4

// piece is what one GET brings of a partition: a span, or a block of a settled one, its span cut to it. Segments are loaded
// whole, since their other partitions are read at the same time; of settled objects only the piece is.
type piece struct {
	ledger.Span
	object string // its key; "": a marker, or nothing is left of these offsets
	cached string // its key in the cache
	heat   cache.Heat
}

// newPiece makes one of a whole span.
func newPiece(tp record.TopicPartition, s *ledger.Span, heat cache.Heat) piece {
	p := piece{Span: *s, object: s.Key(tp), heat: heat}
	if p.cached = p.object; s.Settled() {
		if p.heat = cache.Cold; s.Length == 0 {
			p.object = ""
			return p
		}
		p.cached += "@" + strconv.FormatInt(s.Position, 10) + "+" + strconv.FormatInt(s.Length, 10)
	}
	return p
}

// blocksOf divides a settled span: fn gets each block as a span, until it says no.
func blocksOf(s *ledger.Span, blocks []segment.Block, fn func(*ledger.Span) bool) bool {
	if len(blocks) == 0 {
		return fn(s)
	}
	part := *s
	part.End = s.Base
	for _, b := range blocks {
		part.Base, part.End, part.Length, part.MaxTimestamp = part.End, min(b.End, s.End), b.Length, b.MaxTimestamp
		if part.Base >= part.End {
			return true // a fork ends here
		}
		if !fn(&part) {
			return false
		}
		part.Position += b.Length
	}
	return true
}

// blocks gives those of a span that the head names: none when it is short, else what the object's index says.
func (f *Fetcher) blocks(ctx context.Context, tp record.TopicPartition, s *ledger.Span) ([]segment.Block, error) {
	if !s.Settled() || s.Length <= spanBytesMax {
		return nil, nil
	}
	x, err := f.Archive.Index(ctx, s.Key(tp))
	if err != nil {
		return nil, err
	}
	var out []segment.Block
	length := int64(0)
	for _, run := range x.From(s.Position, s.Length) {
		if len(run.Blocks) == 0 && run.Length > 0 {
			out = append(out, segment.Block{Length: run.Length, End: run.End, MaxTimestamp: run.MaxTimestamp})
		}
		out = append(out, run.Blocks...)
		length += run.Length
	}
	if length != s.Length {
		return nil, fmt.Errorf("%s has runs of %d bytes where the head has %d from %d: %w", s.Key(tp), length, s.Length, s.Position, segment.ErrCorrupt)
	}
	return out, nil
}

func (f *Fetcher) get(ctx context.Context, p *piece) (*cache.Object, error) {
	return f.Cache.Load(ctx, p.heat, p.cached, func(ctx context.Context) ([]byte, error) {
		from, length := int64(0), int64(-1)
		if p.Settled() {
			from, length = p.Position, p.Length
		}
		b, err := f.Store.Get(ctx, p.object, from, length)
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", p.object, err)
		}
		if p.Settled() && int64(len(b)) != p.Length {
			return nil, fmt.Errorf("get %s: %d of %d bytes from %d: %w", p.object, len(b), p.Length, p.Position, objectstore.ErrRange)
		}
		return b, nil
	})
}

// eachBatch walks the batches of a piece with their offsets until fn says no.
//
// In a segment an offset is the sum of what the headers before it say, so one damaged header would move all
// that follow. The headers are therefore added up first; where they do not come to what the log says,
// every batch is checked by its CRC, and those before the first damaged one are as good as ever. Settled
// batches say their offsets themselves, with gaps between them, and are checked to be in order. What lies at or beyond
// the end of a fork's piece is not its any more: it shares objects that go on.
func eachBatch(o *cache.Object, p *piece, fn func(base record.Offset, h record.Header, b []byte) bool) error {
	if p.Inline != nil {
		b := p.Inline.Batch()
		h, err := record.ReadHeader(b)
		fn(p.Base, h, b)
		return err
	}
	if p.object == "" {
		return nil
	}
	damage := p.walk(o, record.ReadHeader, func(record.Offset, record.Header, []byte) bool { return true })
	read := record.ReadHeader
	if damage != nil {
		read = record.Check
	}
	stopped := false
	err := p.walk(o, read, func(base record.Offset, h record.Header, b []byte) bool {
		stopped = !fn(base, h, b)
		return !stopped
	})
	if stopped {
		return nil
	}
	return err
}

// beyond says what a batch at or beyond the end means: a fork's spans may end before their bytes do; in a partition's own it is damage.
func (p *piece) beyond(base record.Offset) error {
	if p.Owner != (record.TopicPartition{}) {
		return nil
	}
	return fmt.Errorf("batch at offset %d of a span that ends at %d: %w", base, p.End, record.ErrCorrupt)
}

// walk goes from batch to batch. An error: the bytes are not what the log says of them.
func (p *piece) walk(o *cache.Object, read func([]byte) (record.Header, error), fn func(base record.Offset, h record.Header, b []byte) bool) error {
	position := p.Position
	if p.Settled() {
		position = 0 // the object in the cache is the piece alone
	}
	next, seen := p.Base, int64(0)
	for _, part := range o.Range(position, p.Length) {
		for b, err := range record.Batches(part) {
			if err != nil {
				return err
			}
			h, err := read(b)
			if err != nil {
				return err
			}
			base := next
			if p.Settled() {
				if base = h.BaseOffset; base < next || h.LastOffsetDelta < 0 {
					return fmt.Errorf("batch at offset %d follows what ends at %d: %w", base, next, record.ErrCorrupt)
				}
				if base+record.Offset(h.LastOffsetDelta) >= p.End {
					return p.beyond(base)
				}
			}
			next = base + record.Offset(h.LastOffsetDelta) + 1
			seen += int64(len(b))
			if !fn(base, h, b) {
				return nil
			}
		}
	}
	if seen != p.Length || !p.Settled() && next != p.End {
		return fmt.Errorf("span of %d bytes to offset %d has %d bytes to offset %d: %w", p.Length, p.End, seen, next, record.ErrCorrupt)
	}
	return nil
}
