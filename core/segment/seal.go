package segment

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/firnlog/firnlog/core/record"
)

// Partition is what a segment shall hold of one partition: whole batches, in order.
type Partition struct {
	record.TopicPartition
	Batches [][]byte
}

// Sealed is a segment ready to be put. Chunks, one after the other, are the object; most of
// them are the caller's batches, which must not change until it is put.
type Sealed struct {
	Chunks [][]byte
	Index
}

// Seal makes a segment. It takes partitions in any order, each at most once and with at least one
// batch, and copies no batch. Of a batch it reads the header; whether the batch is sound
// was for record.Validate to say. Errors: ErrUnsealable, and those of record.ReadHeader.
func Seal(partitions []Partition) (Sealed, error) {
	if len(partitions) == 0 {
		return Sealed{}, fmt.Errorf("no partitions: %w", ErrUnsealable)
	}
	sorted := slices.Clone(partitions)
	slices.SortFunc(sorted, func(a, b Partition) int { return a.Compare(b.TopicPartition) })
	chunks := 2
	for _, p := range sorted {
		chunks += len(p.Batches)
	}
	s := Sealed{Chunks: append(make([][]byte, 0, chunks), []byte(magic))}
	s.Runs = make([]Run, 0, len(sorted))
	position := int64(headerSize)
	for _, p := range sorted {
		run, err := newRun(p, position)
		if err != nil {
			return Sealed{}, fmt.Errorf("seal %v/%d: %w", p.Topic, p.Partition, err)
		}
		if n := len(s.Runs); n > 0 && s.Runs[n-1].TopicPartition == run.TopicPartition {
			return Sealed{}, fmt.Errorf("seal %v/%d twice: %w", p.Topic, p.Partition, ErrUnsealable)
		}
		position += run.Length
		s.Runs = append(s.Runs, run)
		s.Chunks = append(s.Chunks, p.Batches...)
	}
	tail, err := appendTail(position, s.Runs)
	if err != nil {
		return Sealed{}, err
	}
	s.Chunks = append(s.Chunks, tail)
	s.Size = position + int64(len(tail))
	return s, nil
}

func newRun(p Partition, position int64) (Run, error) {
	if p.Partition < 0 || len(p.Batches) == 0 || len(p.Batches) > math.MaxInt32 {
		return Run{}, fmt.Errorf("%d batches: %w", len(p.Batches), ErrUnsealable)
	}
	run := Run{TopicPartition: p.TopicPartition, Position: position, Batches: int32(len(p.Batches))}
	for i, b := range p.Batches {
		h, err := record.ReadHeader(b)
		if err != nil {
			return Run{}, fmt.Errorf("batch %d: %w", i, err)
		}
		if int(h.Size) != len(b) || h.Records < 0 {
			return Run{}, fmt.Errorf("batch %d of %d bytes and %d records in %d bytes: %w", i, h.Size, h.Records, len(b), ErrUnsealable)
		}
		run.add(h)
	}
	return run, nil
}

// add counts the next batch of the run.
func (r *Run) add(h record.Header) {
	if r.Length == 0 || h.MaxTimestamp > r.MaxTimestamp {
		r.MaxTimestamp = h.MaxTimestamp
	}
	r.Length += int64(h.Size)
	r.Records += int64(h.Records)
}

// appendTail gives footer and trailer of an object whose runs end at position.
func appendTail(position int64, runs []Run) ([]byte, error) {
	return sealTail(position, appendFooter(nil, runs), magic, version)
}

// sealTail adds the trailer to a footer.
func sealTail(position int64, footer []byte, magic string, version uint32) ([]byte, error) {
	if len(footer) > math.MaxInt32-trailerSize {
		return nil, fmt.Errorf("footer of %d bytes: %w", len(footer), ErrUnsealable)
	}
	size := position + int64(len(footer)) + trailerSize
	b := binary.BigEndian.AppendUint32(footer, uint32(len(footer)))
	b = binary.BigEndian.AppendUint32(b, checksum(footer))
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint32(b, checksum(b[len(footer):]))
	return append(b, magic...), nil
}

func appendFooter(b []byte, runs []Run) []byte {
	topics := 0
	for i := range runs {
		if i == 0 || runs[i].Topic != runs[i-1].Topic {
			topics++
		}
	}
	b = binary.AppendUvarint(b, uint64(topics))
	timestamp := int64(0)
	for len(runs) > 0 {
		n := slices.IndexFunc(runs, func(r Run) bool { return r.Topic != runs[0].Topic })
		if n < 0 {
			n = len(runs)
		}
		b = append(b, runs[0].Topic[:]...)
		b = binary.AppendUvarint(b, uint64(n))
		next := int64(0)
		for _, r := range runs[:n] {
			b = binary.AppendUvarint(b, uint64(int64(r.Partition)-next))
			b = binary.AppendUvarint(b, uint64(r.Length))
			b = binary.AppendUvarint(b, uint64(r.Batches))
			b = binary.AppendUvarint(b, uint64(r.Records))
			b = binary.AppendVarint(b, r.MaxTimestamp-timestamp)
			next, timestamp = int64(r.Partition)+1, r.MaxTimestamp
		}
		runs = runs[n:]
	}
	return b
}
