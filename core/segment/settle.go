package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/firnlog/firnlog/core/record"
)

// SettledBuilder makes a settled object of runs, one after the other: Begin, Add for each batch, End; then Seal. It
// holds the batches that it was given until the object is put, and copies none. After an error it gives that
// error to every further call.
type SettledBuilder struct {
	chunks [][]byte
	runs   []SettledRun
	size   int64
	open   bool
	next   record.Offset // the least offset that the next batch may have
	block  Block         // of the open run, not full yet
	err    error
}

// SettledSealed is a settled object ready to be put: Chunks, one after the other. They must not change until then.
type SettledSealed struct {
	Chunks [][]byte
	SettledIndex
}

// NewSettled begins an object.
func NewSettled() *SettledBuilder {
	return &SettledBuilder{chunks: [][]byte{[]byte(settledMagic)}, size: int64(len(settledMagic))}
}

// Size is the bytes so far, without the index.
func (b *SettledBuilder) Size() int64 { return b.size }

// Runs is the number of runs so far.
func (b *SettledBuilder) Runs() int { return len(b.runs) }

func (b *SettledBuilder) fail(format string, args ...any) error {
	if b.err == nil {
		b.err = fmt.Errorf(format+": %w", append(args, ErrUnsealable)...)
	}
	return b.err
}

// Begin opens a run that stands for offsets from base on. Runs come in the order of topic id, partition and base.
func (b *SettledBuilder) Begin(tp record.TopicPartition, base record.Offset) error {
	if b.err != nil {
		return b.err
	}
	if b.open || tp.Partition < 0 || base < 0 {
		return b.fail("begin run %v/%d at offset %d (run open: %v)", tp.Topic, tp.Partition, base, b.open)
	}
	if n := len(b.runs); n > 0 {
		before := &b.runs[n-1]
		if c := before.Compare(tp); c > 0 || c == 0 && before.End > base {
			return b.fail("begin run %v/%d at offset %d after %v/%d to %d", tp.Topic, tp.Partition, base, before.Topic, before.Partition, before.End)
		}
	}
	b.runs = append(b.runs, SettledRun{Run: Run{TopicPartition: tp, Position: b.size}, Base: base})
	b.open, b.next, b.block = true, base, Block{}
	return nil
}

// Add gives the open run its next batch, whose offsets are stamped, and which is the builder's from now on. Of the
// batch it reads the header; whether it is sound was for the caller to check.
func (b *SettledBuilder) Add(batch []byte) error {
	if b.err != nil {
		return b.err
	}
	h, err := record.ReadHeader(batch)
	if err != nil {
		b.err = fmt.Errorf("add batch: %w", err)
		return b.err
	}
	if !b.open || int(h.Size) != len(batch) || h.Records < 0 || h.LastOffsetDelta < 0 || h.BaseOffset < b.next || h.BaseOffset > math.MaxInt64-math.MaxInt32-1 {
		return b.fail("add batch of %d bytes, %d records, offsets %d to %d in %d bytes at offset %d (run open: %v)",
			h.Size, h.Records, h.BaseOffset, h.LastOffset(), len(batch), b.next, b.open)
	}
	b.chunks = append(b.chunks, batch)
	b.size += int64(len(batch))
	b.next = h.LastOffset() + 1
	b.runs[len(b.runs)-1].count(h, batch, &b.block)
	return nil
}

// count adds the next batch to the run, and closes the block that it fills.
func (r *SettledRun) count(h record.Header, batch []byte, block *Block) {
	r.Batches++
	r.add(h)
	r.Prefixes = crc32.Update(r.Prefixes, crc32.MakeTable(crc32.Castagnoli), batch[:settledPrefixSize])
	if block.Length == 0 || h.MaxTimestamp > block.MaxTimestamp {
		block.MaxTimestamp = h.MaxTimestamp
	}
	block.Length += int64(h.Size)
	if block.End = h.LastOffset() + 1; block.Length >= BlockBytes {
		r.Blocks = append(r.Blocks, *block)
		*block = Block{}
	}
}

// closeBlocks ends the last block. A run of one block lists none.
func (r *SettledRun) closeBlocks(last Block) {
	if last.Length > 0 {
		r.Blocks = append(r.Blocks, last)
	}
	if len(r.Blocks) < 2 {
		r.Blocks = nil
	}
}

// End closes the run: it stands for the offsets below end. A run without batches says that none of them is left.
func (b *SettledBuilder) End(end record.Offset) error {
	if b.err != nil {
		return b.err
	}
	if !b.open || end < b.next || end <= b.runs[len(b.runs)-1].Base {
		return b.fail("end run at offset %d, its batches end at %d (run open: %v)", end, b.next, b.open)
	}
	run := &b.runs[len(b.runs)-1]
	run.End = end
	run.closeBlocks(b.block)
	b.open = false
	return nil
}

// Seal gives the object. The builder is of no use afterwards. Errors: ErrUnsealable, and those of Add.
func (b *SettledBuilder) Seal() (SettledSealed, error) {
	if b.err == nil && (b.open || len(b.runs) == 0) {
		return SettledSealed{}, b.fail("%d runs (run open: %v)", len(b.runs), b.open)
	}
	if b.err != nil {
		return SettledSealed{}, b.err
	}
	tail, err := sealTail(b.size, appendSettledFooter(nil, b.runs), settledMagic, settledVersion)
	if err != nil {
		return SettledSealed{}, err
	}
	return SettledSealed{append(b.chunks, tail), SettledIndex{Size: b.size + int64(len(tail)), Runs: b.runs}}, nil
}

func appendSettledFooter(b []byte, runs []SettledRun) []byte {
	topics := 0
	for i := range runs {
		if i == 0 || runs[i].Topic != runs[i-1].Topic {
			topics++
		}
	}
	b = binary.AppendUvarint(b, uint64(topics))
	timestamp := int64(0)
	for len(runs) > 0 {
		n := slices.IndexFunc(runs, func(r SettledRun) bool { return r.Topic != runs[0].Topic })
		if n < 0 {
			n = len(runs)
		}
		b = append(b, runs[0].Topic[:]...)
		b = binary.AppendUvarint(b, uint64(n))
		before := SettledRun{}
		for i := range runs[:n] {
			b = appendSettledRun(b, &runs[i], &before, timestamp)
			before, timestamp = runs[i], runs[i].MaxTimestamp
		}
		runs = runs[n:]
	}
	return b
}

func appendSettledRun(b []byte, r, before *SettledRun, timestamp int64) []byte {
	from := record.Offset(0)
	if r.Partition == before.Partition {
		from = before.End // 0 for a topic's first
	}
	for _, v := range []int64{int64(r.Partition - before.Partition), int64(r.Base - from), int64(r.End - r.Base), r.Length, int64(r.Batches), r.Records} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	b = binary.AppendVarint(b, r.MaxTimestamp-timestamp)
	b = binary.BigEndian.AppendUint32(b, r.Prefixes)
	return AppendBlocks(b, r.Blocks, r.Base, r.MaxTimestamp)
}

// AppendBlocks writes blocks of a run as the footer has them; base and timestamp are the run's.
func AppendBlocks(b []byte, blocks []Block, base record.Offset, timestamp int64) []byte {
	b = binary.AppendUvarint(b, uint64(len(blocks)))
	for _, k := range blocks {
		b = binary.AppendUvarint(b, uint64(k.Length))
		b = binary.AppendUvarint(b, uint64(k.End-base))
		b = binary.AppendVarint(b, k.MaxTimestamp-timestamp)
		base = k.End
	}
	return b
}
