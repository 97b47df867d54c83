package ledger

import (
	"encoding/binary"

	"github.com/firnlog/firnlog/core/record"
)

// Marker ends a transaction in all its partitions. No object holds it: the bytes that
// readers get follow from this record (Batch).
//
// At each partition it says "closed through Serial" and, with Bump, "epoch at least
// Epoch+1": whatever of that transaction comes later is refused, also where the
// marker was the first that the partition heard of the producer.
type Marker struct {
	Producer         record.ProducerID
	Epoch            record.Epoch
	Serial           int64
	Commit           bool // or else abort
	Bump             bool
	Timestamp        int64 // ms, by the clock of who wrote it
	CoordinatorEpoch int32
	Partitions       []record.TopicPartition
}

// Batch is what a partition with data of the transaction gets.
func (m *Marker) Batch() record.Marker {
	return record.Marker{Producer: m.Producer, Epoch: m.Epoch, Commit: m.Commit, CoordinatorEpoch: m.CoordinatorEpoch, Timestamp: m.Timestamp}
}

const (
	markerCommit = 1
	markerBump   = 2
)

// appendMarker writes a marker, n an unsigned and z a signed varint:
//
//	producer n, epoch n, serial n, flags 1 byte (1 commit, 2 bump), timestamp z, coordinator epoch n,
//	partitions n, then each: topic n (index), partition n
func appendMarker(b []byte, m *Marker, index map[record.TopicID]uint64) []byte {
	for _, v := range []int64{int64(m.Producer), int64(m.Epoch), m.Serial} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	flags := byte(0)
	if m.Commit {
		flags |= markerCommit
	}
	if m.Bump {
		flags |= markerBump
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, m.Timestamp)
	b = binary.AppendUvarint(b, uint64(m.CoordinatorEpoch))
	b = binary.AppendUvarint(b, uint64(len(m.Partitions)))
	for _, tp := range m.Partitions {
		b = binary.AppendUvarint(b, index[tp.Topic])
		b = binary.AppendUvarint(b, uint64(tp.Partition))
	}
	return b
}

func readMarkers(r *reader, topics []record.TopicID) []Marker {
	n := r.count(7)
	if n == 0 {
		return nil
	}
	out := make([]Marker, n)
	for i := range out {
		m := &out[i]
		m.Producer, m.Epoch, m.Serial = record.ProducerID(r.int63()), record.Epoch(r.int15()), r.int63()
		flags := r.byte()
		if m.Commit, m.Bump = flags&markerCommit != 0, flags&markerBump != 0; flags > markerCommit|markerBump || m.Bump && m.Epoch == 1<<15-1 {
			r.fail()
		}
		m.Timestamp, m.CoordinatorEpoch = r.int(), r.int31()
		m.Partitions = make([]record.TopicPartition, r.count(2))
		for k := range m.Partitions {
			m.Partitions[k] = readPartition(r, topics)
		}
	}
	return out
}
