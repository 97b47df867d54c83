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
