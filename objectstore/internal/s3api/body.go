// Package s3api is what the two S3 drivers share: the body of a Put as a
// reader over chunks, byte ranges, and the table that turns an answer, or the
// lack of one, into an error of objectstore.
//
// Owns: what S3's HTTP interface means for a Store. Does not own: requests and
// signatures, which are the SDKs'.
package s3api

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// Body reads the chunks of a Put one after the other, without joining them. It can
// seek, as the SDKs demand for a body over plain http.
//
// It is not an io.WriterTo: net/http would not make use of that.
type Body struct {
	chunks [][]byte
	size   int64
	at     int64
	// The place of at: chunks[next:] are unread but for the first skip bytes.
	next, skip int
}

// NewBody reads chunks, which must not change meanwhile.
func NewBody(chunks [][]byte) *Body {
	b := &Body{chunks: chunks}
	for _, chunk := range chunks {
		b.size += int64(len(chunk))
	}
	return b
}

// Size is the number of bytes in all chunks.
func (b *Body) Size() int64 { return b.size }

// CRC32C is the checksum of the whole, as x-amz-checksum-crc32c has it. It
// costs one pass at memory speed: 0.6 ms for 8 MiB, where SHA-256 takes 5 ms
// with, and a multiple of that without, SHA instructions (measured).
func (b *Body) CRC32C() string {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := uint32(0)
	for _, chunk := range b.chunks {
		sum = crc32.Update(sum, table, chunk)
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (n int, err error) {
	for n < len(p) && b.next < len(b.chunks) {
		chunk := b.chunks[b.next]
		m := copy(p[n:], chunk[b.skip:])
		n += m
		b.skip += m
		if b.skip == len(chunk) {
			b.next, b.skip = b.next+1, 0
		}
	}
	b.at += int64(n)
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Seek implements io.Seeker.
func (b *Body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("seek body: before its beginning")
	}
	b.at, b.next, b.skip = offset, 0, 0
	for left := offset; b.next < len(b.chunks); b.next++ {
		if left < int64(len(b.chunks[b.next])) {
			b.skip = int(left)
			break
		}
		left -= int64(len(b.chunks[b.next]))
	}
	return offset, nil
}
