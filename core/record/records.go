package record

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
)

// Record is one record of a batch. Key, Value and header values are nil for null and may be
// parts of the batch's bytes: copy what outlives them.
type Record struct {
	Attributes     int8
	TimestampDelta int64 // ms from the batch's first timestamp
	OffsetDelta    int32 // from the batch's base offset
	Key, Value     []byte
	Headers        []RecordHeader
}

// RecordHeader is a header of one record, as opposed to the batch's Header.
type RecordHeader struct {
	Key   string
	Value []byte
}

// Records walks the records of the batch b, unpacking at most decompressedMax bytes. Offset deltas
// must grow and end within the batch, and the records must fill it: otherwise, as for
// anything malformed, the walk ends with ErrInvalid. Other errors: ErrUnknownCodec, ErrTooLarge,
// and those of ReadHeader. The CRC is not checked.
func Records(b []byte, decompressedMax int) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		c, err := openRecords(b, decompressedMax)
		if err != nil {
			yield(Record{}, err)
			return
		}
		c.wantHeaders = true
		for {
			r, more, err := c.next()
			if err != nil {
				yield(Record{}, err)
				return
			}
			if !more || !yield(r, nil) {
				return
			}
		}
	}
}

// walkRecords visits all records without their headers, which are checked but not
// kept: this way the walk of an uncompressed batch allocates nothing.
func walkRecords(b []byte, decompressedMax int, visit func(Record)) error {
	c, err := openRecords(b, decompressedMax)
	if err != nil {
		return err
	}
	for {
		r, more, err := c.next()
		if err != nil || !more {
			return err
		}
		visit(r)
	}
}

// cursor stands before a record of a batch.
type cursor struct {
	b           []byte // what is left
	raw         []byte // the bytes of the record last read
	left        int32  // records still to come
	lastDelta   int32  // of the record last read
	maxDelta    int32
	wantHeaders bool
}

func openRecords(b []byte, decompressedMax int) (cursor, error) {
	h, err := ReadHeader(b)
	if err != nil {
		return cursor{}, err
	}
	if int(h.Size) != len(b) {
		return cursor{}, fmt.Errorf("read records: batch of %d bytes in %d: %w", h.Size, len(b), ErrCorrupt)
	}
	if h.Records < 0 {
		return cursor{}, fmt.Errorf("read records: batch of %d records: %w", h.Records, ErrInvalid)
	}
	payload, err := decompress(h.Codec(), b[HeaderSize:], decompressedMax)
	if err != nil {
		return cursor{}, fmt.Errorf("unpack %v records: %w", h.Codec(), err)
	}
	return cursor{b: payload, left: h.Records, lastDelta: -1, maxDelta: h.LastOffsetDelta}, nil
}

// next reads a record; false: there are no more.
func (c *cursor) next() (Record, bool, error) {
	if c.left == 0 {
		if len(c.b) > 0 {
			return Record{}, false, fmt.Errorf("%d bytes after the last record: %w", len(c.b), ErrInvalid)
		}
		return Record{}, false, nil
	}
	all := fields{b: c.b}
	length := all.varint()
	if all.bad || length < 0 || int(length) > len(all.b) {
		return Record{}, false, fmt.Errorf("record after offset delta %d does not fit the batch: %w", c.lastDelta, ErrInvalid)
	}
	end := len(c.b) - len(all.b) + int(length)
	f := fields{b: all.b[:length]}
	r := f.record(c.wantHeaders)
	if f.bad || len(f.b) > 0 {
		return Record{}, false, fmt.Errorf("record after offset delta %d is malformed: %w", c.lastDelta, ErrInvalid)
	}
	if r.OffsetDelta <= c.lastDelta || r.OffsetDelta > c.maxDelta {
		return Record{}, false, fmt.Errorf("record with offset delta %d after %d in a batch up to %d: %w",
			r.OffsetDelta, c.lastDelta, c.maxDelta, ErrInvalid)
	}
	c.raw, c.b = c.b[:end], c.b[end:]
	c.left--
	c.lastDelta = r.OffsetDelta
	return r, true, nil
}

// fields takes a record apart. After anything malformed bad is set, and what it gives is void.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) record(wantHeaders bool) Record {
	r := Record{Attributes: f.int8(), TimestampDelta: f.varlong(), OffsetDelta: f.varint(), Key: f.bytes(), Value: f.bytes()}
	count := f.varint()
	// Two length bytes a header: a count above that is a lie, found before it costs memory.
	if count < 0 || int(count) > len(f.b)/2 {
		f.bad = true
		return Record{}
	}
	if wantHeaders && count > 0 {
		r.Headers = make([]RecordHeader, 0, count)
	}
	for range count {
		key, value := f.bytes(), f.bytes()
		if key == nil {
			f.bad = true
		}
		if f.bad {
			return Record{}
		}
		if wantHeaders {
			r.Headers = append(r.Headers, RecordHeader{Key: string(key), Value: value})
		}
	}
	return r
}

func (f *fields) int8() int8 {
	if len(f.b) == 0 {
		f.bad = true
		return 0
	}
	v := int8(f.b[0])
	f.b = f.b[1:]
	return v
}

func (f *fields) varlong() int64 {
	v, n := binary.Varint(f.b)
	if n <= 0 {
		f.bad = true
		f.b = nil
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) varint() int32 {
	v := f.varlong()
	if v < math.MinInt32 || v > math.MaxInt32 {
		f.bad = true
	}
	return int32(v)
}

// bytes gives nil for null (as in Kafka, any negative length) and never for empty.
func (f *fields) bytes() []byte {
	n := f.varint()
	if n < 0 {
		return nil
	}
	if int(n) > len(f.b) {
		f.bad = true
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}
