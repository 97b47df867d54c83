// Package segment is the immutable object that holds record batches of many
// partitions: runs sorted by partition, and an index at the end that one GET of
// the object's tail reads. There are two kinds: segments, as instances flush them, and settled
// objects, which maintenance writes.
//
// Owns: the bytes of both, sealing them from batches and reading their indexes.
//
// Does not own: offsets (the fold in core/ledger gives them, and may refuse a
// batch of a run), object keys, requests to the store, and the batches'
// own bytes (core/record). It does no I/O.
//
// # The object
//
//	8 bytes   magic "FIRNSEG1"
//	runs      back to back from byte 8; each is the batches of one partition,
//	          back to back; strictly ascending by topic id, then partition
//	footer    the index
//	32 bytes  trailer
//
// # The footer
//
// "uvarint" and "varint" are those of encoding/binary. Positions are not stored: they
// follow from the lengths, so that they cannot contradict them.
//
//	uvarint   number of topics, at least 1; for each, ascending:
//	 16 bytes  topic id
//	 uvarint   number of its runs, at least 1; for each, ascending:
//	  uvarint   partition - (partition of the run before + 1); for a topic's
//	            first run: partition
//	  uvarint   length in bytes
//	  uvarint   number of batches, at least 1
//	  uvarint   number of records
//	  varint    max timestamp - that of the run before (of any topic; at first 0), ms
//
// # The trailer
//
// All integers are big endian.
//
//	byte  size  field
//	   0     4  length of the footer
//	   4     4  CRC-32C of the footer
//	   8     8  size of the whole object
//	  16     4  format version, 1
//	  20     4  CRC-32C of bytes 0 to 19 of the trailer
//	  24     8  magic "FIRNSEG1"
//
// A run has no checksum of its own: each batch carries one, and what that leaves
// out is checked otherwise (docs/decisions/segment-format.md).
//
// # The settled object
//
// It differs from a segment in that its batches carry their offsets (record.Stamp), of which some may be
// gone; that a run has an extent, the offsets that it stands for, and a partition may have several runs; and that a
// long run is divided into blocks, so that a seek reads one of them.
//
//	8 bytes   magic "FIRNSET1"
//	runs      back to back from byte 8; each is batches of one partition, back to back; strictly ascending by
//	          topic id, partition, base offset
//	footer    the index
//	32 bytes  trailer, as a segment's but for the magic "FIRNSET1"
//
// Its footer:
//
//	uvarint   number of topics, at least 1; for each, ascending:
//	 16 bytes  topic id
//	 uvarint   number of its runs, at least 1; for each, ascending:
//	  uvarint   partition - partition of the run before; for a topic's first run: partition
//	  uvarint   base offset; for a further run of the same partition: base offset - end of the run before
//	  uvarint   end - base offset, at least 1
//	  uvarint   length in bytes; 0: none of these offsets is left
//	  uvarint   number of batches
//	  uvarint   number of records
//	  varint    max timestamp - that of the run before (of any topic; at first 0), ms
//	  4 bytes   CRC-32C of bytes 0 to 20 of all batches, big endian: what their own leave out
//	  uvarint   number of blocks; 0: the run is one block; else at least 2, for each:
//	   uvarint   length in bytes
//	   uvarint   end - end of the block before (for the first: base offset of the run)
//	   varint    max timestamp - that of the run, ms
package segment

import (
	"errors"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/core/record"
)

// Errors, asked for with errors.Is.
var (
	// ErrCorrupt: the bytes are not those of a whole, undamaged segment.
	ErrCorrupt = errors.New("corrupt segment")
	// ErrVersion: a segment of a format that this version does not know.
	ErrVersion = errors.New("unknown segment format version")
	// ErrUnsealable: what was given to Seal is no segment.
	ErrUnsealable = errors.New("cannot seal segment")
)

const (
	magic   = "FIRNSEG1"
	version = 1

	headerSize  = len(magic)
	trailerSize = 32

	// runBytesMin is the least that a run takes in the footer, and topicBytesMin a topic
	// besides its runs: claimed counts are held against them.
	runBytesMin   = 5
	topicBytesMin = 17
)

// TailBytes is how much of an object's end to read at first: the index of some 5,000 partitions.
const TailBytes = 64 << 10

// Run is the batches of one partition in a segment.
type Run struct {
	record.TopicPartition
	Position, Length int64 // bytes in the object
	Batches          int32
	Records          int64
	MaxTimestamp     int64 // ms
}

// Index says what a segment holds. Runs ascend by partition.
type Index struct {
	Size int64 // of the object in bytes
	Runs []Run
}

// Find gives the run of a partition.
func (x Index) Find(tp record.TopicPartition) (Run, bool) {
	i, ok := slices.BinarySearchFunc(x.Runs, tp, func(r Run, tp record.TopicPartition) int {
		return r.Compare(tp)
	})
	if !ok {
		return Run{}, false
	}
	return x.Runs[i], true
}

// ShortTailError says that the index does not fit the tail that was given to ReadIndex.
type ShortTailError struct {
	Need int64 // bytes from the end of the object
}

func (e *ShortTailError) Error() string {
	return fmt.Sprintf("segment index needs the last %d bytes", e.Need)
}
