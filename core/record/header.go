// Package record is Kafka's record batch (format version 2) as bytes: reading
// headers, validating what a producer sent, stamping offsets in place, walking
// and searching records, building and rewriting batches.
//
// Owns: the batch format, the codecs, the key partitioner, and the plain types
// (Offset, Epoch, ProducerID, TopicPartition) that the other formats share.
//
// Does not own: which batch is accepted and at which offset (core/ledger), or
// how batches are stored together (core/segment). It does no I/O, reads no
// clock and starts no goroutine.
//
// # A batch
//
// All integers are big endian. A batch is a header of 61 bytes and its
// records; with a codec the records are compressed as one block.
//
//	byte  size  field
//	   0     8  base offset            set by Stamp
//	   8     4  length                 of all that follows this field
//	  12     4  partition leader epoch set by Stamp
//	  16     1  magic                  2
//	  17     4  CRC-32C                of bytes 21 to the end
//	  21     2  attributes             bits 0-2 codec, 3 LogAppendTime,
//	                                   4 transactional, 5 control, 6 delete horizon
//	  23     4  last offset delta      last offset of the batch - base offset
//	  27     8  first timestamp        ms; records count from here
//	  35     8  max timestamp          ms
//	  43     8  producer id            -1: none
//	  51     2  producer epoch
//	  53     4  first sequence
//	  57     4  number of records
//	  61        records
//
// # A record
//
// "varint" is a zigzag varint of at most 32 bits, "varlong" of 64.
//
//	varint   length           of all that follows
//	1 byte   attributes       unused
//	varlong  timestamp delta  from the batch's first timestamp, ms
//	varint   offset delta     from the batch's base offset
//	varint   key length       -1: null; then the key
//	varint   value length     -1: null; then the value
//	varint   headers          for each: varint key length, key,
//	                          varint value length (-1: null), value
//
// Magic and length stand at the same bytes in formats 0 and 1, so that an old
// batch is told from a broken one.
package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// Errors, asked for with errors.Is.
var (
	// ErrCorrupt: the bytes were damaged on their way (length, magic, CRC).
	// Kafka's CORRUPT_MESSAGE, which clients answer by sending again.
	ErrCorrupt = errors.New("corrupt record batch")
	// ErrInvalid: the bytes are as sent, and sending them again will not make them
	// right. Kafka's INVALID_RECORD.
	ErrInvalid = errors.New("invalid record batch")
	// ErrTimestamp: a producer may not set the LogAppendTime bit. Kafka's
	// INVALID_TIMESTAMP.
	ErrTimestamp = errors.New("producer set LogAppendTime")
	// ErrOldFormat: a message set of format 0 or 1. Kafka's
	// UNSUPPORTED_FOR_MESSAGE_FORMAT.
	ErrOldFormat = errors.New("message format older than 2")
	// ErrUnknownCodec: the batch names a codec that does not exist.
	ErrUnknownCodec = errors.New("unknown compression codec")
	// ErrTooLarge: the batch, or what it decompresses to, is above the limit.
	ErrTooLarge = errors.New("record batch too large")
)

// HeaderSize is the bytes of a batch before its records.
const HeaderSize = 61

const (
	atLength          = 8
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21 // the CRC covers from here
	atLastOffsetDelta = 23
	atFirstTimestamp  = 27
	atMaxTimestamp    = 35
	atProducer        = 43
	atEpoch           = 51
	atFirstSequence   = 53
	atRecords         = 57

	// prefixSize is what the length field does not count.
	prefixSize = 12

	magic = 2

	attrCodec         = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
	attrDeleteHorizon = 0x40
)

// Header is the fixed part of a batch.
type Header struct {
	BaseOffset      Offset
	Size            int32 // of the whole batch in bytes, base offset and length field included
	LeaderEpoch     int32
	Magic           int8
	CRC             uint32
	Attributes      int16
	LastOffsetDelta int32
	FirstTimestamp  int64 // ms; with a delete horizon, that
	MaxTimestamp    int64 // ms; the producer's word unless IsLogAppendTime
	Producer        ProducerID
	Epoch           Epoch
	FirstSequence   int32
	Records         int32
}

// Codec is how the records are compressed.
func (h Header) Codec() Codec { return Codec(h.Attributes & attrCodec) }

// IsTransactional says that the batch belongs to a transaction.
func (h Header) IsTransactional() bool { return h.Attributes&attrTransactional != 0 }

// IsControl says that the batch holds a transaction marker, not user records.
func (h Header) IsControl() bool { return h.Attributes&attrControl != 0 }

// IsLogAppendTime says that all records have the batch's max timestamp.
func (h Header) IsLogAppendTime() bool { return h.Attributes&attrLogAppendTime != 0 }

// HasProducer says that the batch is idempotent or transactional. Without a
// producer id, epoch and sequence mean nothing: kafkajs and sarama send zeros.
func (h Header) HasProducer() bool { return h.Producer > NoProducer }

// LastOffset is the offset of the last record, also where compaction took that away.
func (h Header) LastOffset() Offset { return h.BaseOffset + Offset(h.LastOffsetDelta) }

// LastSequence is the sequence of the last record, -1 without a producer.
// Sequences go from 2^31-1 to 0.
func (h Header) LastSequence() int32 {
	if !h.HasProducer() || h.FirstSequence < 0 {
		return -1
	}
	return AddSequence(h.FirstSequence, h.LastOffsetDelta)
}

// AddSequence is the sequence n after s; 0 follows 2^31-1. Both are not negative.
func AddSequence(s, n int32) int32 { return int32((int64(s) + int64(n)) & math.MaxInt32) }

// OffsetOf is the offset of a record of this batch.
func (h Header) OffsetOf(r Record) Offset { return h.BaseOffset + Offset(r.OffsetDelta) }

// TimestampOf is the timestamp of a record of this batch in ms.
func (h Header) TimestampOf(r Record) int64 {
	if h.IsLogAppendTime() {
		return h.MaxTimestamp
	}
	return h.FirstTimestamp + r.TimestampDelta
}

// ReadHeader reads the header of the batch that b begins with. It checks what is needed to
// walk on (length, magic) and not the CRC; b may end before the batch does.
// Errors: ErrCorrupt, ErrOldFormat.
func ReadHeader(b []byte) (Header, error) {
	if len(b) > atMagic && (b[atMagic] == 0 || b[atMagic] == 1) {
		return Header{}, fmt.Errorf("read batch of format %d: %w", b[atMagic], ErrOldFormat)
	}
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("read batch header from %d bytes: %w", len(b), ErrCorrupt)
	}
	if b[atMagic] != magic {
		return Header{}, fmt.Errorf("read batch of format %d: %w", int8(b[atMagic]), ErrCorrupt)
	}
	length := int32(binary.BigEndian.Uint32(b[atLength:]))
	if length < HeaderSize-prefixSize || length > math.MaxInt32-prefixSize {
		return Header{}, fmt.Errorf("read batch of length %d: %w", length, ErrCorrupt)
	}
	return Header{
		BaseOffset:      Offset(binary.BigEndian.Uint64(b)),
		Size:            length + prefixSize,
		LeaderEpoch:     int32(binary.BigEndian.Uint32(b[atLeaderEpoch:])),
		Magic:           int8(b[atMagic]),
		CRC:             binary.BigEndian.Uint32(b[atCRC:]),
		Attributes:      int16(binary.BigEndian.Uint16(b[atAttributes:])),
		LastOffsetDelta: int32(binary.BigEndian.Uint32(b[atLastOffsetDelta:])),
		FirstTimestamp:  int64(binary.BigEndian.Uint64(b[atFirstTimestamp:])),
		MaxTimestamp:    int64(binary.BigEndian.Uint64(b[atMaxTimestamp:])),
		Producer:        ProducerID(binary.BigEndian.Uint64(b[atProducer:])),
		Epoch:           Epoch(binary.BigEndian.Uint16(b[atEpoch:])),
		FirstSequence:   int32(binary.BigEndian.Uint32(b[atFirstSequence:])),
		Records:         int32(binary.BigEndian.Uint32(b[atRecords:])),
	}, nil
}

// writeHeader makes b, which holds the records from HeaderSize on, a batch: Size, Magic and
// CRC are what b says, whatever h has.
func writeHeader(b []byte, h Header) {
	binary.BigEndian.PutUint64(b, uint64(h.BaseOffset))
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-prefixSize))
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(h.LeaderEpoch))
	b[atMagic] = magic
	binary.BigEndian.PutUint16(b[atAttributes:], uint16(h.Attributes))
	binary.BigEndian.PutUint32(b[atLastOffsetDelta:], uint32(h.LastOffsetDelta))
	binary.BigEndian.PutUint64(b[atFirstTimestamp:], uint64(h.FirstTimestamp))
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(h.MaxTimestamp))
	binary.BigEndian.PutUint64(b[atProducer:], uint64(h.Producer))
	binary.BigEndian.PutUint16(b[atEpoch:], uint16(h.Epoch))
	binary.BigEndian.PutUint32(b[atFirstSequence:], uint32(h.FirstSequence))
	binary.BigEndian.PutUint32(b[atRecords:], uint32(h.Records))
	writeCRC(b)
}

func writeCRC(b []byte) { binary.BigEndian.PutUint32(b[atCRC:], checksum(b)) }

// checksum is the CRC-32C that the batch b should have.
func checksum(b []byte) uint32 {
	return crc32.Checksum(b[atAttributes:], crc32.MakeTable(crc32.Castagnoli))
}
