package segment

import (
	"cmp"
	"slices"

	"github.com/firnlog/firnlog/core/record"
)

// The layout of a settled object is in the package comment.
const (
	settledMagic      = "FIRNSET1"
	settledVersion    = 1
	settledRunMin     = 12 // least bytes of a run in the footer
	settledBlockMin   = 3
	settledPrefixSize = 21 // of a batch: what its CRC does not cover
)

// BlockBytes is where a block of a settled run ends: with the batch that makes it so long or longer.
const BlockBytes = 4 << 20

// Block is a part of a run that one GET reads: whole batches. Blocks of a run lie back to back.
type Block struct {
	Length       int64
	End          record.Offset // after its last batch; the block holds what lies from the End before up to here
	MaxTimestamp int64         // ms
}

// SettledRun is a run of a settled object. It stands for all offsets from Base to below End.
type SettledRun struct {
	Run
	Base, End record.Offset
	Prefixes  uint32  // checksum of what the batches' own checksums leave out
	Blocks    []Block // none: the run is one block
}

// equal compares everything.
func (r *SettledRun) equal(other *SettledRun) bool {
	return r.Run == other.Run && r.Base == other.Base && r.End == other.End && r.Prefixes == other.Prefixes && slices.Equal(r.Blocks, other.Blocks)
}

// SettledIndex says what a settled object holds. Runs ascend by partition, then base offset; their positions too.
type SettledIndex struct {
	Size int64 // of the object in bytes
	Runs []SettledRun
}

// Find gives the first run of a partition that ends after offset.
func (x SettledIndex) Find(tp record.TopicPartition, offset record.Offset) (SettledRun, bool) {
	i, _ := slices.BinarySearchFunc(x.Runs, tp, func(r SettledRun, tp record.TopicPartition) int {
		if d := r.Compare(tp); d != 0 {
			return d
		}
		if r.End <= offset {
			return -1
		}
		return 1
	})
	if i == len(x.Runs) || x.Runs[i].TopicPartition != tp {
		return SettledRun{}, false
	}
	return x.Runs[i], true
}

// From gives the runs that lie in length bytes from position.
func (x SettledIndex) From(position, length int64) []SettledRun {
	first, _ := slices.BinarySearchFunc(x.Runs, position, func(r SettledRun, at int64) int { return cmp.Compare(r.Position, at) })
	n := first
	for n < len(x.Runs) && x.Runs[n].Position < position+length {
		n++
	}
	return x.Runs[first:n]
}
