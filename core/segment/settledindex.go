package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/firnlog/firnlog/core/record"
)

// ReadSettledIndex is ReadIndex for a settled object.
func ReadSettledIndex(tail []byte) (SettledIndex, error) {
	t, footer, err := readTail(tail, settledMagic, settledVersion)
	if err != nil {
		return SettledIndex{}, err
	}
	runs, err := readSettledFooter(footer, t.size-t.footer-trailerSize)
	if err != nil {
		return SettledIndex{}, fmt.Errorf("read settled footer: %w", err)
	}
	return SettledIndex{Size: t.size, Runs: runs}, nil
}

func readSettledFooter(b []byte, end int64) ([]SettledRun, error) {
	f := footerReader{b: b, position: int64(headerSize), end: end}
	var runs []SettledRun
	for range f.count(topicBytesMin + settledRunMin) {
		topic := f.topic()
		if n := len(runs); n > 0 && compareTopics(runs[n-1].Topic, topic) >= 0 {
			f.bad = true
		}
		before := SettledRun{}
		for range f.count(settledRunMin) {
			run := f.settledRun(topic, &before)
			if f.bad {
				break
			}
			runs = append(runs, run)
			before = run
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

func (f *footerReader) settledRun(topic record.TopicID, before *SettledRun) SettledRun {
	partition := f.uvarint(int64(math.MaxInt32-before.Partition)) + int64(before.Partition)
	r := SettledRun{Run: Run{TopicPartition: record.TopicPartition{Topic: topic, Partition: int32(partition)}, Position: f.position}}
	from := record.Offset(0)
	if r.Partition == before.Partition {
		from = before.End
	}
	r.Base = from + record.Offset(f.uvarint(int64(math.MaxInt64-from)))
	r.End = r.Base + record.Offset(f.uvarint(int64(math.MaxInt64-r.Base)))
	r.Length = f.uvarint(f.end - f.position)
	r.Batches = int32(f.uvarint(min(r.Length/record.HeaderSize, math.MaxInt32)))
	r.Records = f.uvarint(int64(r.Batches) * math.MaxInt32)
	r.MaxTimestamp = f.timestamp + f.varint()
	if len(f.b) < 4 || r.End == r.Base || (r.Batches == 0) != (r.Length == 0) || r.Batches == 0 && r.MaxTimestamp != 0 {
		f.bad = true
		return r
	}
	r.Prefixes = binary.BigEndian.Uint32(f.b)
	blocks, rest, ok := ReadBlocks(f.b[4:], r.Length, r.Base, r.End, r.MaxTimestamp)
	if r.Blocks, f.b = blocks, rest; !ok {
		f.bad = true
	}
	f.position += r.Length
	f.timestamp = r.MaxTimestamp
	return r
}

// ReadBlocks reads what AppendBlocks wrote, and gives the bytes after it. Not ok: malformed, or not the blocks of a run
// of length bytes and these offsets.
func ReadBlocks(b []byte, length int64, base, end record.Offset, timestamp int64) (blocks []Block, rest []byte, ok bool) {
	f := footerReader{b: b}
	n := f.uvarint(int64(len(b) / settledBlockMin))
	if f.bad || n == 1 {
		return nil, nil, false
	}
	if n == 0 {
		return nil, f.b, true
	}
	blocks = make([]Block, n)
	for i := range blocks {
		k := Block{Length: f.uvarint(length), End: base + record.Offset(f.uvarint(int64(end-base))), MaxTimestamp: timestamp + f.varint()}
		if f.bad || k.Length == 0 || k.End == base {
			return nil, nil, false
		}
		length -= k.Length
		base, blocks[i] = k.End, k
	}
	return blocks, f.b, length == 0
}

// VerifySettled is Verify for a settled object: it checks every byte, and the order and extents of offsets.
func VerifySettled(object []byte) (SettledIndex, error) {
	x, err := ReadSettledIndex(object)
	if err != nil {
		return SettledIndex{}, err
	}
	if x.Size != int64(len(object)) {
		return SettledIndex{}, fmt.Errorf("verify settled object of %d bytes in %d: %w", x.Size, len(object), ErrCorrupt)
	}
	if string(object[:headerSize]) != settledMagic {
		return SettledIndex{}, fmt.Errorf("verify settled object with magic %q: %w", object[:headerSize], ErrCorrupt)
	}
	for i := range x.Runs {
		run := &x.Runs[i]
		if err := VerifySettledRun(run, object[run.Position:run.Position+run.Length]); err != nil {
			return SettledIndex{}, err
		}
	}
	return x, nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
