package compact

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
)

// item is a stretch of the log that is compacted as a whole: an entry of the manifest, or a span of the head.
type item struct {
	manifest.Entry
	inHead  bool
	aborted []ledger.Aborted // all that overlap it, as far as the manifest knows
}

// items walks what a job may compact, from an offset on, and reads the progress of compaction on the way.
func (c *Compactor) items(ctx context.Context, j *job, from record.Offset) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		if j.manifest != nil {
			shelf, err := c.Archive.Open(ctx, j.tp, j.manifest)
			if err != nil {
				yield(item{}, err)
				return
			}
			j.progress = shelf.Compaction()
			for e, err := range shelf.Entries(ctx, from) {
				it := item{Entry: e}
				if err == nil {
					it.aborted = shelf.Aborted([]manifest.Entry{e}, e.Base, e.End)
				}
				if !yield(it, err) || err != nil {
					return
				}
			}
		}
		for _, s := range j.spans {
			if s.End > from && !yield(item{Entry: manifest.Entry{Span: s}, inHead: true}, nil) {
				return
			}
		}
	}
}

var errOffsets = errors.New("batches do not lie where references say")

// batches reads the batches of an item, PieceBytes at a time, checks each, and gives them with their offsets. They are the
// caller's.
func (c *Compactor) batches(ctx context.Context, j *job, it *item) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		next := it.Base
		give := func(b []byte, err error) bool {
			if err == nil {
				var h record.Header
				if h, err = record.Check(b); err == nil && (h.BaseOffset < next || h.LastOffset() >= it.End || h.LastOffsetDelta < 0) {
					err = fmt.Errorf("offsets %d to %d, want %d to below %d: %w", h.BaseOffset, h.LastOffset(), next, it.End, errOffsets)
				}
				next = h.LastOffset() + 1
			}
			if err != nil {
				yield(nil, fmt.Errorf("%s after offset %d: %w", describe(j, it), next, err))
				return false
			}
			return yield(b, nil)
		}
		if it.Inline != nil {
			b := it.Inline.Batch()
			record.Stamp(b, it.Base)
			give(b, nil)
			return
		}
		for b, err := range c.stored(ctx, it.Key(j.tp), it.Position, it.Length) {
			if h, bad := record.ReadHeader(b); err == nil && bad == nil && it.Owner != (record.TopicPartition{}) && h.BaseOffset >= it.End {
				return // a fork's span may end before its bytes do
			}
			if !give(b, err) {
				return
			}
		}
	}
}

func describe(j *job, it *item) string {
	if it.Inline != nil {
		return fmt.Sprintf("marker at offset %d", it.Base)
	}
	return it.Key(j.tp)
}

// stored cuts length bytes of an object into batches.
func (c *Compactor) stored(ctx context.Context, key string, position, length int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var rest []byte // the beginning of a batch
		for end := position + length; position < end; {
			n := min(c.PieceBytes, end-position)
			piece, err := c.Store.Get(ctx, key, position, n)
			if err == nil && int64(len(piece)) < n {
				err = fmt.Errorf("%d bytes at %d, want %d: %w", len(piece), position, n, record.ErrCorrupt)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			position += n
			if rest = append(rest[:len(rest):len(rest)], piece...); len(rest) == len(piece) {
				rest = piece
			}
			for {
				size, err := whole(rest)
				if err != nil || size == 0 {
					if err != nil {
						yield(nil, err)
						return
					}
					break
				}
				if !yield(rest[:size:size], nil) {
					return
				}
				rest = rest[size:]
			}
		}
		if len(rest) > 0 {
			yield(nil, fmt.Errorf("%d bytes after the last batch: %w", len(rest), record.ErrCorrupt))
		}
	}
}

// whole is the size of the batch that b begins with; 0 when it is not all there yet.
func whole(b []byte) (int, error) {
	if len(b) < record.HeaderSize {
		return 0, nil
	}
	h, err := record.ReadHeader(b)
	if err != nil || int(h.Size) > len(b) {
		return 0, err
	}
	return int(h.Size), nil
}
