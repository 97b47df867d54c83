package record

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/snappy"
)

// xerial's framing of snappy, which the Java client uses: these 16 bytes (magic, version 1,
// readable by version 1), then blocks, each behind its length as four bytes, big endian.
const (
	xerialMagic  = "\x82SNAPPY\x00"
	xerialHeader = xerialMagic + "\x00\x00\x00\x01\x00\x00\x00\x01"
	// xerialBlock is how much goes into a block, as in Java's SnappyOutputStream.
	xerialBlock = 32 << 10
)

// snappyRatioMax: an element of at least 3 bytes gives at most 64. A block that claims more
// is a lie, told before it costs memory.
const snappyRatioMax = 22

func decompressSnappy(src []byte, bytesMax int) ([]byte, error) {
	if !bytes.HasPrefix(src, []byte(xerialMagic)) {
		return appendSnappyBlock(nil, src, bytesMax)
	}
	if len(src) < len(xerialHeader) {
		return nil, fmt.Errorf("snappy frame of %d bytes: %w", len(src), ErrInvalid)
	}
	out := make([]byte, 0, decompressedHint(src, bytesMax))
	for src = src[len(xerialHeader):]; len(src) > 0; {
		if len(src) < 4 {
			return nil, fmt.Errorf("snappy block length of %d bytes: %w", len(src), ErrInvalid)
		}
		n := binary.BigEndian.Uint32(src)
		src = src[4:]
		if uint64(n) > uint64(len(src)) {
			return nil, fmt.Errorf("snappy block of %d bytes where %d are left: %w", n, len(src), ErrInvalid)
		}
		var err error
		if out, err = appendSnappyBlock(out, src[:n], bytesMax); err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return out, nil
}

func appendSnappyBlock(dst, src []byte, bytesMax int) ([]byte, error) {
	n, err := snappy.DecodedLen(src)
	if err != nil || n > snappyRatioMax*len(src) {
		return nil, fmt.Errorf("snappy block of %d bytes claims %d: %w", len(src), n, ErrInvalid)
	}
	if n > bytesMax-len(dst) {
		return nil, tooLargeUnpacked(bytesMax)
	}
	dst = append(dst, make([]byte, n)...)
	if _, err := snappy.Decode(dst[len(dst)-n:], src); err != nil {
		return nil, unpackError(err)
	}
	return dst, nil
}

func appendXerial(dst, src []byte) []byte {
	dst = append(dst, xerialHeader...)
	var block []byte
	for len(src) > 0 {
		n := min(len(src), xerialBlock)
		block = snappy.Encode(block[:cap(block)], src[:n])
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(block)))
		dst = append(dst, block...)
		src = src[n:]
	}
	return dst
}
