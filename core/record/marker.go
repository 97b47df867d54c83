package record

import (
	"encoding/binary"
	"fmt"
)

// Marker is the end of a transaction in one partition: a control batch of one record. Its key is
// version (int16, 0) and type (int16: 0 abort, 1 commit), its value version
// (int16, 0) and coordinator epoch (int32).
type Marker struct {
	Producer         ProducerID
	Epoch            Epoch
	Commit           bool // or else abort
	CoordinatorEpoch int32
	Timestamp        int64 // ms
}

// MarkerBytes is the size of a marker's batch.
const MarkerBytes = HeaderSize + 17

// Batch is the marker as a batch at base offset 0, to be stamped.
func (m Marker) Batch() []byte {
	var key [4]byte
	if m.Commit {
		key[3] = 1
	}
	var value [6]byte
	binary.BigEndian.PutUint32(value[2:], uint32(m.CoordinatorEpoch))
	b := NewBatch(Settings{
		Sequence:      &Sequence{Producer: m.Producer, Epoch: m.Epoch, First: -1},
		Transactional: true,
		Control:       true,
	}).Append(m.Timestamp, key[:], value[:])
	out := append(make([]byte, HeaderSize, HeaderSize+len(b.records)), b.records...)
	writeHeader(out, b.header)
	return out
}

// ReadMarker reads a control batch as Batch makes it. Errors: ErrInvalid, and those of Records.
func ReadMarker(b []byte) (Marker, error) {
	h, err := ReadHeader(b)
	if err != nil {
		return Marker{}, err
	}
	if !h.IsControl() || h.Records != 1 || h.Codec() != CodecNone {
		return Marker{}, fmt.Errorf("read marker from a batch with attributes %#04x and %d records: %w", h.Attributes, h.Records, ErrInvalid)
	}
	m := Marker{Producer: h.Producer, Epoch: h.Epoch, Timestamp: h.MaxTimestamp}
	for r, err := range Records(b, len(b)) {
		if err != nil {
			return Marker{}, err
		}
		if len(r.Key) != 4 || len(r.Value) < 6 || binary.BigEndian.Uint32(r.Key) > 1 {
			return Marker{}, fmt.Errorf("read marker with key %x: %w", r.Key, ErrInvalid)
		}
		m.Commit = r.Key[3] == 1
		m.CoordinatorEpoch = int32(binary.BigEndian.Uint32(r.Value[2:]))
	}
	return m, nil
}
