package record

import (
	"fmt"
	"iter"
)

// Batches walks concatenated batches, as a produce request or a run of a segment holds them.
// Each slice is one whole batch and a part of b, its CRC not checked. Bytes that are no whole
// batch end the walk with ErrCorrupt or ErrOldFormat.
func Batches(b []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(b) > 0 {
			h, err := ReadHeader(b)
			if err == nil && int(h.Size) > len(b) {
				err = fmt.Errorf("walk batch of %d bytes where %d are left: %w", h.Size, len(b), ErrCorrupt)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(b[:h.Size:h.Size], nil) {
				return
			}
			b = b[h.Size:]
		}
	}
}
