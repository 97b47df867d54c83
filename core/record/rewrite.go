package record

import "fmt"

// Recompress gives the batch b with its records packed by codec, and all else as it was:
// offsets, producer, epoch, sequences, timestamps. encoders may be nil. The
// records are not walked; errors are those of Records.
func Recompress(b []byte, codec Codec, decompressedMax int, encoders *Encoders) ([]byte, error) {
	h, err := ReadHeader(b)
	if err != nil {
		return nil, err
	}
	if int(h.Size) != len(b) {
		return nil, fmt.Errorf("recompress batch of %d bytes in %d: %w", h.Size, len(b), ErrCorrupt)
	}
	records, err := decompress(h.Codec(), b[HeaderSize:], decompressedMax)
	if err != nil {
		return nil, fmt.Errorf("unpack %v records: %w", h.Codec(), err)
	}
	return assemble(h, codec, records, encoders)
}

// Filter gives the batch b with only the records that keep wants, in their bytes and at their offsets, and packed
// as before: log compaction. Base offset, last offset delta, producer, epoch and sequences stay, so that
// neither offsets nor the producer's state change; a batch with no record left
// is legal and carries them still. The max timestamp becomes that of what is left.
// It also says how many were kept. Errors are those of Records.
func Filter(b []byte, decompressedMax int, encoders *Encoders, keep func(Record) bool) ([]byte, int, error) {
	h, err := ReadHeader(b)
	if err != nil {
		return nil, 0, err
	}
	c, err := openRecords(b, decompressedMax)
	if err != nil {
		return nil, 0, err
	}
	c.wantHeaders = true
	var kept []byte
	count, newest := 0, int64(0)
	for {
		r, more, err := c.next()
		if err != nil {
			return nil, 0, err
		}
		if !more {
			break
		}
		if !keep(r) {
			continue
		}
		if ts := h.TimestampOf(r); count == 0 || ts > newest {
			newest = ts
		}
		kept = append(kept, c.raw...)
		count++
	}
	if count > 0 {
		h.MaxTimestamp = newest
	}
	h.Records = int32(count)
	out, err := assemble(h, h.Codec(), kept, encoders)
	return out, count, err
}
