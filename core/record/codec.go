package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is how a batch's records are compressed, as its attributes say it.
type Codec int8

// The codecs of Kafka. Snappy is read as raw block and in xerial's framing, and written in the
// latter, as the Java client does. LZ4 is the frame format.
const (
	CodecNone Codec = iota
	CodecGzip
	CodecSnappy
	CodecLZ4
	CodecZstd
)

// String is the name in compression.type.
func (c Codec) String() string {
	switch c {
	case CodecNone:
		return "none"
	case CodecGzip:
		return "gzip"
	case CodecSnappy:
		return "snappy"
	case CodecLZ4:
		return "lz4"
	case CodecZstd:
		return "zstd"
	}
	return fmt.Sprintf("codec %d", int8(c))
}

// ParseCodec reads a name as String gives it, or "uncompressed", which compression.type uses
// for none. Error: ErrUnknownCodec.
func ParseCodec(name string) (Codec, error) {
	if name == "uncompressed" {
		return CodecNone, nil
	}
	for c := CodecNone; c <= CodecZstd; c++ {
		if c.String() == name {
			return c, nil
		}
	}
	return CodecNone, fmt.Errorf("codec %q: %w", name, ErrUnknownCodec)
}

// DecompressedBytesMax is the bound on what one batch unpacks to where nobody sets another.
const DecompressedBytesMax = 64 << 20

// zstdWindowMax is the largest window that zstd's own decoders take without being told to, and
// that of its highest level. A batch that names it may cost so much memory for a moment.
const zstdWindowMax = 128 << 20

// decompressedHint is how much room to begin with: producers rarely get below a
// quarter, and what is claimed inside the bytes is not to be trusted with memory.
func decompressedHint(src []byte, bytesMax int) int { return min(4*len(src)+1024, bytesMax) }

// decompress unpacks the records of a batch; CodecNone gives src itself. The decoders are made anew
// for each batch: that costs 12 µs and 55 kB for zstd (16 KiB of text: 42 µs), less for the others, too
// little to make every caller carry a pool. Encoders are another matter.
//
// What would exceed bytesMax is ErrTooLarge, and found before it costs much more than that. What cannot be unpacked is ErrInvalid: where the CRC was right,
// the producer sent it like this.
func decompress(codec Codec, src []byte, bytesMax int) ([]byte, error) {
	switch codec {
	case CodecNone:
		return src, nil
	case CodecGzip:
		r, err := gzip.NewReader(bytes.NewReader(src))
		if err != nil {
			return nil, unpackError(err)
		}
		return readLimited(r, decompressedHint(src, bytesMax), bytesMax)
	case CodecSnappy:
		return decompressSnappy(src, bytesMax)
	case CodecLZ4:
		return readLimited(lz4.NewReader(bytes.NewReader(src)), decompressedHint(src, bytesMax), bytesMax)
	case CodecZstd:
		return decompressZstd(src, bytesMax)
	}
	return nil, fmt.Errorf("%v: %w", codec, ErrUnknownCodec)
}

// decompressZstd lets the decoder go as far as the window, should that be above bytesMax, since the
// decoder has one limit for both: high levels name windows larger than any
// batch, and are right to.
func decompressZstd(src []byte, bytesMax int) ([]byte, error) {
	var frame zstd.Header
	if err := frame.Decode(src); err != nil {
		return nil, unpackError(err)
	}
	if frame.HasFCS && frame.FrameContentSize > uint64(bytesMax) {
		return nil, tooLargeUnpacked(bytesMax)
	}
	if frame.WindowSize > zstdWindowMax {
		return nil, fmt.Errorf("zstd window of %d bytes: %w", frame.WindowSize, ErrTooLarge)
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(max(uint64(bytesMax), frame.WindowSize, zstd.MinWindowSize)))
	if err != nil {
		return nil, unpackError(err)
	}
	defer d.Close()
	out, err := d.DecodeAll(src, nil)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || len(out) > bytesMax {
		return nil, tooLargeUnpacked(bytesMax)
	}
	if err != nil {
		return nil, unpackError(err)
	}
	return out, nil
}

// readLimited reads r to its end into room that grows from hint, but at most bytesMax bytes.
func readLimited(r io.Reader, hint, bytesMax int) ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, 0, hint+bytes.MinRead))
	n, err := out.ReadFrom(io.LimitReader(r, int64(bytesMax)+1))
	if err != nil {
		return nil, unpackError(err)
	}
	if n > int64(bytesMax) {
		return nil, tooLargeUnpacked(bytesMax)
	}
	return out.Bytes(), nil
}

func unpackError(err error) error { return fmt.Errorf("%w: %w", ErrInvalid, err) }

func tooLargeUnpacked(bytesMax int) error {
	return fmt.Errorf("more than %d bytes unpacked: %w", bytesMax, ErrTooLarge)
}
