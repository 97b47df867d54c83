package manifest

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/segment"
)

// reader takes an object apart. After anything malformed bad is set, and what it gives is void.
type reader struct {
	b   []byte
	bad bool
}

// open checks magic, checksum and version, and gives what lies between.
func open(object []byte, magic string) (*reader, error) {
	n := len(object) - 4
	if n < len(magic)+1 || string(object[:len(magic)]) != magic {
		return nil, fmt.Errorf("%d bytes, no %s: %w", len(object), magic, ErrCorrupt)
	}
	if checksum(object[:n]) != binary.BigEndian.Uint32(object[n:]) {
		return nil, fmt.Errorf("checksum differs: %w", ErrCorrupt)
	}
	if v := object[len(magic)]; v != version {
		return nil, fmt.Errorf("version %d: %w", v, ErrVersion)
	}
	return &reader{b: object[len(magic)+1 : n]}, nil
}

func (r *reader) done() error {
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("malformed, or %d bytes left: %w", len(r.b), ErrCorrupt)
	}
	return nil
}

func (r *reader) fail() { r.b, r.bad = nil, true }

func (r *reader) bytes(n int) []byte {
	if len(r.b) < n {
		r.fail()
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// number reads one of at least least.
func (r *reader) number(least int64) int64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > math.MaxInt64 || int64(v) < least {
		r.fail()
		return least
	}
	r.b = r.b[n:]
	return int64(v)
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many follow, of at least size bytes each, so that a claim never makes us allocate more than the object could hold.
func (r *reader) count(size int) int64 {
	n := r.number(0)
	if n > int64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return n
}

// after reads an offset at or above from.
func (r *reader) after(from record.Offset) record.Offset {
	v := record.Offset(r.number(0))
	if v > math.MaxInt64-from {
		r.fail()
		return from
	}
	return from + v
}

// end reads the end of an extent that begins at base.
func (r *reader) end(base record.Offset) record.Offset {
	v := r.after(base)
	if v == base {
		r.fail()
	}
	return v
}

func (r *reader) id() (id ulid.ULID) {
	copy(id[:], r.bytes(len(id)))
	return id
}

func (r *reader) owner() (tp record.TopicPartition) {
	switch r.bytes(1)[0] {
	case 0:
		return tp
	case 1:
		copy(tp.Topic[:], r.bytes(len(tp.Topic)))
		n := r.number(0)
		if tp.Partition = int32(n); n > math.MaxInt32 || tp == (record.TopicPartition{}) {
			r.fail()
		}
		return tp
	}
	r.fail()
	return tp
}

func (r *reader) entries(at record.Offset) []Entry {
	n := r.count(entryMin)
	if n == 0 {
		return nil
	}
	out := make([]Entry, n)
	stamp := int64(0)
	for i := range out {
		r.entry(&out[i], at, stamp)
		if r.bad {
			return nil
		}
		at, stamp = out[i].End, out[i].MaxTimestamp
	}
	return out
}

func (r *reader) entry(e *Entry, at record.Offset, stamp int64) {
	e.Place, e.Tier = ledger.Place(r.bytes(1)[0]), r.bytes(1)[0]
	if e.Place == ledger.InSegment || e.Place > ledger.InCold {
		r.fail()
	}
	e.Segment, e.Owner, e.Base = r.id(), r.owner(), at
	e.Position, e.Length, e.End = r.number(0), r.number(0), r.end(at)
	e.MaxTimestamp = stamp + r.signed()
	var ok bool
	if e.Blocks, r.b, ok = segment.ReadBlocks(r.b, e.Length, e.Base, e.End, e.MaxTimestamp); !ok {
		r.fail()
	}
	n := r.count(abortedMin)
	if n > 0 {
		e.Aborted = make([]ledger.Aborted, n)
	}
	for i := range e.Aborted {
		a := &e.Aborted[i]
		a.Producer = record.ProducerID(r.number(0))
		a.First = e.Base + record.Offset(r.signed())
		if a.First < 0 {
			r.fail()
			return
		}
		a.Last = r.after(a.First)
	}
}
