package record

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Settings of a new batch. The zero value is a plain, uncompressed batch at offset 0.
type Settings struct {
	BaseOffset    Offset
	Codec         Codec
	Encoders      *Encoders // nil: make compressors anew
	Sequence      *Sequence // nil: no producer id
	Transactional bool      // needs a Sequence
	Control       bool
}

// Sequence is what an idempotent producer says of a batch.
type Sequence struct {
	Producer ProducerID
	Epoch    Epoch
	First    int32 // sequence of the first record
}

// Builder makes one batch from records. It is used once.
type Builder struct {
	settings Settings
	header   Header
	records  []byte
}

// NewBatch begins a batch.
func NewBatch(settings Settings) *Builder {
	h := Header{BaseOffset: settings.BaseOffset, Producer: NoProducer, Epoch: -1, FirstSequence: -1}
	if s := settings.Sequence; s != nil {
		h.Producer, h.Epoch, h.FirstSequence = s.Producer, s.Epoch, s.First
	}
	if settings.Transactional {
		h.Attributes |= attrTransactional
	}
	if settings.Control {
		h.Attributes |= attrControl
	}
	return &Builder{settings: settings, header: h}
}

// Append adds a record with the next offset. A nil key or value is null. The
// timestamp is in ms. It copies what it is given, and returns b.
func (b *Builder) Append(timestamp int64, key, value []byte, headers ...RecordHeader) *Builder {
	h := &b.header
	if h.Records == 0 {
		h.FirstTimestamp, h.MaxTimestamp = timestamp, timestamp
	}
	h.MaxTimestamp = max(h.MaxTimestamp, timestamp)
	b.records = appendRecord(b.records, Record{
		TimestampDelta: timestamp - h.FirstTimestamp, OffsetDelta: h.Records,
		Key: key, Value: value, Headers: headers,
	})
	h.LastOffsetDelta = h.Records
	h.Records++
	return b
}

// Records is how many records were added.
func (b *Builder) Records() int { return int(b.header.Records) }

// Bytes is how large the records are before compression.
func (b *Builder) Bytes() int { return len(b.records) }

// Seal gives the batch, with its CRC. Errors: ErrInvalid without records, ErrUnknownCodec,
// ErrTooLarge above 2 GiB.
func (b *Builder) Seal() ([]byte, error) {
	if b.header.Records == 0 {
		return nil, fmt.Errorf("seal batch without records: %w", ErrInvalid)
	}
	return assemble(b.header, b.settings.Codec, b.records, b.settings.Encoders)
}

// assemble makes a batch of h's fields and records, packed with codec.
func assemble(h Header, codec Codec, records []byte, encoders *Encoders) ([]byte, error) {
	room := len(records)
	if codec != CodecNone {
		room /= 2
	}
	out, err := encoders.compress(make([]byte, HeaderSize, HeaderSize+room), codec, records)
	if err != nil {
		return nil, fmt.Errorf("pack records: %w", err)
	}
	if len(out) > math.MaxInt32 {
		return nil, fmt.Errorf("batch of %d bytes: %w", len(out), ErrTooLarge)
	}
	h.Attributes = h.Attributes&^attrCodec | int16(codec)
	writeHeader(out, h)
	return out, nil
}

func appendRecord(dst []byte, r Record) []byte {
	dst = binary.AppendVarint(dst, int64(recordSize(r)))
	dst = append(dst, byte(r.Attributes))
	dst = binary.AppendVarint(dst, r.TimestampDelta)
	dst = binary.AppendVarint(dst, int64(r.OffsetDelta))
	dst = appendBytes(dst, r.Key)
	dst = appendBytes(dst, r.Value)
	dst = binary.AppendVarint(dst, int64(len(r.Headers)))
	for _, h := range r.Headers {
		dst = binary.AppendVarint(dst, int64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = appendBytes(dst, h.Value)
	}
	return dst
}

// recordSize is the bytes of r behind its length.
func recordSize(r Record) int {
	n := 1 + varintSize(r.TimestampDelta) + varintSize(int64(r.OffsetDelta)) +
		bytesSize(r.Key) + bytesSize(r.Value) + varintSize(int64(len(r.Headers)))
	for _, h := range r.Headers {
		n += varintSize(int64(len(h.Key))) + len(h.Key) + bytesSize(h.Value)
	}
	return n
}

func appendBytes(dst, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(v))), v...)
}

// bytesSize: null (-1) takes one byte, as does length 0.
func bytesSize(v []byte) int { return varintSize(int64(len(v))) + len(v) }

func varintSize(v int64) int {
	n := 1
	for u := uint64(v)<<1 ^ uint64(v>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}
