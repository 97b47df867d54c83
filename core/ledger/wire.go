package ledger

import (
	"encoding/binary"
	"errors"

	"github.com/oklog/ulid/v2"
)

// errTruncated: a value ends before it should, or claims more than it has.
var errTruncated = errors.New("truncated or malformed value")

// reader takes a value apart; after the first mistake it only gives zeros and
// err is set.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail() {
	r.b, r.err = nil, errTruncated
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || len(r.b) < n {
		r.fail()
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// int63 is a uint that fits a non-negative int64.
func (r *reader) int63() int64 {
	v := r.uint()
	if v > 1<<63-1 {
		r.fail()
		return 0
	}
	return int64(v)
}

// int31 is a uint that fits a non-negative int32.
func (r *reader) int31() int32 {
	v := r.uint()
	if v > 1<<31-1 {
		r.fail()
		return 0
	}
	return int32(v)
}

// int15 is a uint that fits a non-negative int16.
func (r *reader) int15() int16 {
	v := r.uint()
	if v > 1<<15-1 {
		r.fail()
		return 0
	}
	return int16(v)
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many items follow, of at least size bytes each, so that a
// claimed count never makes us allocate more than the value could hold.
func (r *reader) count(size int) int {
	v := r.uint()
	if v > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(v)
}

func (r *reader) id() (id ulid.ULID) {
	copy(id[:], r.bytes(len(id)))
	return id
}

// end gives the first mistake; bytes left over are one.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = errTruncated
	}
	return r.err
}
