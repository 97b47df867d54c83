package segment

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/firnlog/firnlog/core/record"
)

// ReadIndex reads the index from the last bytes of an object; TailBytes of them are mostly
// enough. Nothing in tail is trusted. Errors: *ShortTailError when the index begins before tail (the trailer
// that says so has proved whole), ErrCorrupt, ErrVersion.
func ReadIndex(tail []byte) (Index, error) {
	t, footer, err := readTail(tail, magic, version)
	if err != nil {
		return Index{}, err
	}
	runs, err := readFooter(footer, t.size-t.footer-trailerSize)
	if err != nil {
		return Index{}, fmt.Errorf("read segment footer: %w", err)
	}
	return Index{Size: t.size, Runs: runs}, nil
}

// readTail finds the footer of either kind of object and checks that it is whole.
func readTail(tail []byte, magic string, version uint32) (trailer, []byte, error) {
	t, err := readTrailer(tail, magic, version)
	if err != nil {
		return t, nil, fmt.Errorf("read segment trailer: %w", err)
	}
	if need := t.footer + trailerSize; need > int64(len(tail)) {
		return t, nil, &ShortTailError{Need: need}
	}
	end := int64(len(tail)) - trailerSize
	footer := tail[end-t.footer : end]
	if checksum(footer) != t.checksum {
		return t, nil, fmt.Errorf("read segment footer: checksum differs: %w", ErrCorrupt)
	}
	return t, footer, nil
}

type trailer struct {
	footer   int64 // bytes
	checksum uint32
	size     int64
}

func readTrailer(tail []byte, magic string, version uint32) (trailer, error) {
	if len(tail) < trailerSize {
		return trailer{}, fmt.Errorf("%d bytes: %w", len(tail), ErrCorrupt)
	}
	b := tail[len(tail)-trailerSize:]
	if string(b[24:]) != magic {
		return trailer{}, fmt.Errorf("magic %q: %w", b[24:], ErrCorrupt)
	}
	if checksum(b[:20]) != binary.BigEndian.Uint32(b[20:]) {
		return trailer{}, fmt.Errorf("checksum differs: %w", ErrCorrupt)
	}
	if v := binary.BigEndian.Uint32(b[16:]); v != version {
		return trailer{}, fmt.Errorf("version %d: %w", v, ErrVersion)
	}
	t := trailer{
		footer:   int64(binary.BigEndian.Uint32(b)),
		checksum: binary.BigEndian.Uint32(b[4:]),
		size:     int64(binary.BigEndian.Uint64(b[8:])),
	}
	if t.size < t.footer+int64(headerSize)+trailerSize || int64(len(tail)) > t.size {
		return trailer{}, fmt.Errorf("object of %d bytes with a footer of %d: %w", t.size, t.footer, ErrCorrupt)
	}
	return t, nil
}

// footerReader takes a footer apart. After anything malformed bad is set, and what it gives is void.
type footerReader struct {
	b         []byte
	bad       bool
	position  int64 // of the next run
	end       int64 // of all runs
	timestamp int64 // of the run before
}

// readFooter reads the runs, which lie from headerSize to end.
func readFooter(b []byte, end int64) ([]Run, error) {
	f := footerReader{b: b, position: int64(headerSize), end: end}
	topics := f.count(topicBytesMin + runBytesMin)
	var runs []Run
	for range topics {
		topic := f.topic()
		if n := len(runs); n > 0 && compareTopics(runs[n-1].Topic, topic) >= 0 {
			f.bad = true
		}
		next := int64(0)
		for range f.count(runBytesMin) {
			run := f.run(topic, next)
			if f.bad {
				break
			}
			runs = append(runs, run)
			next = int64(run.Partition) + 1
		}
		if f.bad {
			return nil, fmt.Errorf("malformed after %d runs: %w", len(runs), ErrCorrupt)
		}
	}
	if f.bad || len(f.b) > 0 || f.position != f.end {
		return nil, fmt.Errorf("%d runs end at %d of %d, %d bytes left: %w", len(runs), f.position, f.end, len(f.b), ErrCorrupt)
	}
	return runs, nil
}

func compareTopics(a, b record.TopicID) int {
	return record.TopicPartition{Topic: a}.Compare(record.TopicPartition{Topic: b})
}

func (f *footerReader) run(topic record.TopicID, next int64) Run {
	partition := f.uvarint(math.MaxInt32-next) + next
	run := Run{
		TopicPartition: record.TopicPartition{Topic: topic, Partition: int32(partition)},
		Position:       f.position,
		Length:         f.uvarint(f.end - f.position),
	}
	run.Batches = int32(f.uvarint(min(run.Length/record.HeaderSize, math.MaxInt32)))
	run.Records = f.uvarint(int64(run.Batches) * math.MaxInt32)
	run.MaxTimestamp = f.timestamp + f.varint()
	if run.Batches == 0 {
		f.bad = true
	}
	f.position += run.Length
	f.timestamp = run.MaxTimestamp
	return run
}

func (f *footerReader) topic() record.TopicID {
	var id record.TopicID
	if len(f.b) < len(id) {
		f.bad = true
		return id
	}
	f.b = f.b[copy(id[:], f.b):]
	return id
}

// count reads a number of things that take at least size bytes each: at least one, and no more than
// there are bytes for.
func (f *footerReader) count(size int) int64 {
	n := f.uvarint(int64(len(f.b) / size))
	if n == 0 {
		f.bad = true
	}
	return n
}

// uvarint reads a number of at most most.
func (f *footerReader) uvarint(most int64) int64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 || most < 0 || v > uint64(most) {
		f.bad = true
		return 0
	}
	f.b = f.b[n:]
	return int64(v)
}

func (f *footerReader) varint() int64 {
	v, n := binary.Varint(f.b)
	if n <= 0 {
		f.bad = true
		return 0
	}
	f.b = f.b[n:]
	return v
}
