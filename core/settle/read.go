package settle

import (
	"context"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/objectstore"
)

// errDamaged: the bytes of a span are not there, or not as they were written.
var errDamaged = errors.New("stored bytes are damaged")

// stamped gives the batches of a span with their offsets, each checked, and that together they are what the span says.
//
// In a segment the offsets follow from the span; what is settled carries them, and log compaction may
// have left gaps.
func (s *Settler) stamped(ctx context.Context, l *loader, span *ledger.Span, fn func(record.Header, []byte) error) error {
	if span.Inline != nil {
		b := span.Inline.Batch()
		record.Stamp(b, span.Base)
		h, err := record.ReadHeader(b)
		if err != nil {
			return err
		}
		return fn(h, b)
	}
	next := span.Base
	var failed error // of fn: not the bytes' fault
	err := l.batches(ctx, span, func(b []byte) error {
		h, err := record.Check(b)
		if err != nil {
			return err
		}
		if !span.Settled() {
			record.Stamp(b, next)
			h.BaseOffset = next
		}
		if span.Owner != (record.TopicPartition{}) && h.BaseOffset >= span.End {
			return nil // a fork's span may end before its bytes do
		}
		if h.BaseOffset < next || h.LastOffsetDelta < 0 || h.LastOffset() >= span.End {
			return fmt.Errorf("batch of offsets %d to %d between %d and %d: %w", h.BaseOffset, h.LastOffset(), next, span.End, record.ErrCorrupt)
		}
		next = h.LastOffset() + 1
		failed = fn(h, b)
		return failed
	})
	if err == nil && !span.Settled() && next != span.End {
		err = fmt.Errorf("batches end at offset %d, want %d: %w", next, span.End, record.ErrCorrupt)
	}
	switch {
	case err == nil, failed != nil:
		return err
	case errors.Is(err, record.ErrCorrupt), errors.Is(err, record.ErrOldFormat), errors.Is(err, record.ErrInvalid), errors.Is(err, objectstore.ErrNotFound), errors.Is(err, objectstore.ErrRange):
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return err
}

// codecOf is what a topic wants its settled batches to be packed by.
func codecOf(t *ledger.Topic) (record.Codec, bool) {
	name := t.Configs[CompressionConfig]
	if name == "" || name == "producer" {
		return 0, false
	}
	c, err := record.ParseCodec(name)
	return c, err == nil
}

// recompress packs a batch by the codec that its topic wants, where that makes it smaller. A batch that cannot be unpacked
// stays as its producer sent it.
func (s *Settler) recompress(t *ledger.Topic, h record.Header, b []byte) (record.Header, []byte) {
	codec, wanted := codecOf(t)
	if !wanted || h.Codec() == codec || h.IsControl() || h.Records == 0 {
		return h, b
	}
	packed, err := record.Recompress(b, codec, record.DecompressedBytesMax, &s.encoders)
	if err != nil || len(packed) >= len(b) {
		return h, b
	}
	if again, err := record.ReadHeader(packed); err == nil {
		return again, packed
	}
	return h, b
}
