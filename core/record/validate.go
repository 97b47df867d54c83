package record

import "fmt"

// Limits are what Validate holds a batch against. The zero value checks the header alone.
type Limits struct {
	// BatchBytesMax bounds the batch as sent (max.message.bytes); 0: no bound.
	BatchBytesMax int
	// DecompressedBytesMax bounds what a deep check may unpack; 0: DecompressedBytesMax.
	DecompressedBytesMax int
	// Deep also unpacks and walks the records.
	Deep bool
}

func (l Limits) decompressedMax() int {
	if l.DecompressedBytesMax > 0 {
		return l.DecompressedBytesMax
	}
	return DecompressedBytesMax
}

// Validate checks the one batch that a producer sent for a partition, exactly filling b, as
// Kafka's LogValidator does. Cheap things come first, and damage (ErrCorrupt, which clients retry) is told
// before wrong content (ErrInvalid, ErrUnknownCodec, ErrTimestamp), which is looked at
// only once the CRC says that the bytes are as sent. Without Deep it allocates nothing.
func Validate(b []byte, limits Limits) (Header, error) {
	h, err := ReadHeader(b)
	if err != nil {
		return Header{}, err
	}
	if limits.BatchBytesMax > 0 && int(h.Size) > limits.BatchBytesMax {
		return Header{}, fmt.Errorf("batch of %d bytes, the limit is %d: %w", h.Size, limits.BatchBytesMax, ErrTooLarge)
	}
	if int(h.Size) < len(b) {
		return Header{}, fmt.Errorf("%d bytes after the one batch: %w", len(b)-int(h.Size), ErrInvalid)
	}
	if err := checkBytes(b, h); err != nil {
		return Header{}, err
	}
	if err := validateHeader(h); err != nil {
		return Header{}, err
	}
	if limits.Deep {
		if err := walkRecords(b, limits.decompressedMax(), func(Record) {}); err != nil {
			return Header{}, err
		}
	}
	return h, nil
}

// Check says whether b is exactly one undamaged batch: length, magic and CRC. It is for
// stored batches, which may hold what no producer may send (markers, compacted records).
func Check(b []byte) (Header, error) {
	h, err := ReadHeader(b)
	if err != nil {
		return Header{}, err
	}
	return h, checkBytes(b, h)
}

func checkBytes(b []byte, h Header) error {
	if int(h.Size) != len(b) {
		return fmt.Errorf("batch of %d bytes in %d: %w", h.Size, len(b), ErrCorrupt)
	}
	if sum := checksum(b); sum != h.CRC {
		return fmt.Errorf("batch with CRC %08x, its bytes have %08x: %w", h.CRC, sum, ErrCorrupt)
	}
	return nil
}

// validateHeader checks what a producer may say. Producer fields of plain batches are not looked at: see
// HasProducer.
func validateHeader(h Header) error {
	switch {
	case h.Codec() > CodecZstd:
		return fmt.Errorf("batch with codec %d: %w", h.Codec(), ErrUnknownCodec)
	case h.BaseOffset != 0:
		return fmt.Errorf("produced batch with base offset %d: %w", h.BaseOffset, ErrInvalid)
	case h.Records <= 0:
		return fmt.Errorf("batch of %d records: %w", h.Records, ErrInvalid)
	case h.LastOffsetDelta != h.Records-1:
		return fmt.Errorf("batch of %d records with last offset delta %d: %w", h.Records, h.LastOffsetDelta, ErrInvalid)
	case h.IsControl():
		return fmt.Errorf("control batch from a producer: %w", ErrInvalid)
	case h.IsLogAppendTime():
		return fmt.Errorf("batch with attributes %#04x: %w", h.Attributes, ErrTimestamp)
	case h.Producer < NoProducer:
		return fmt.Errorf("batch of producer %d: %w", h.Producer, ErrInvalid)
	case h.HasProducer() && (h.FirstSequence < 0 || h.Epoch < 0):
		return fmt.Errorf("batch of producer %d with epoch %d and sequence %d: %w", h.Producer, h.Epoch, h.FirstSequence, ErrInvalid)
	case h.IsTransactional() && !h.HasProducer():
		return fmt.Errorf("transactional batch without a producer id: %w", ErrInvalid)
	}
	return nil
}

// ValidateKeys gives the indexes of the records that have no key, in order; a
// compacted topic may hold none of them (KIP-467 names each to the producer). An
// error says that the records cannot be read, with the errors of Records.
func ValidateKeys(b []byte, limits Limits) ([]int32, error) {
	var bad []int32
	index := int32(0)
	err := walkRecords(b, limits.decompressedMax(), func(r Record) {
		if r.Key == nil {
			bad = append(bad, index)
		}
		index++
	})
	return bad, err
}
