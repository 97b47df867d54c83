// Package reference swaps what heads refer to: the one transaction of settle,
// merge, spill, log compaction and chill.
//
// Owns: reading heads again, deciding whether a change still fits, the guards, and what becomes of an
// unknown outcome.
//
// Does not own: which bytes take the place of which (core/settle and others have
// put and checked them before), and deleting what is referred to no more (sweep alone does).
package reference

import (
	"errors"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
)

// Errors of Swap.
var (
	// ErrConflict: the heads changed under every try. Nothing more was swapped; what was put stays right, try later.
	ErrConflict = errors.New("heads are changed by others all the time")
	// ErrCoverage: a change would lose or double offsets. It is a mistake of whoever made it; nothing was written.
	ErrCoverage = errors.New("references do not cover the same offsets")
	// ErrTwice: two changes of one partition.
	ErrTwice = errors.New("two changes of one partition")
)

// Change swaps references of one partition. Objects that it refers to anew were put before, and checked to
// hold exactly the offsets (for log compaction: the surviving records) of what goes.
type Change struct {
	Partition record.TopicPartition
	// Remove are spans as a head has had them, Insert what takes their place; both in the order of offsets.
	Remove, Insert []ledger.Span
	// Manifest, if not nil, takes the place of another one. Aborted transactions that ended before its end
	// leave the head with it: it has them.
	Manifest *Manifest
	// Objects are referred to anew through the manifest: its pages, and objects that it lists and this head never had.
	Objects []ulid.ULID
	// Format is log/format as of what the change was concluded from, where that is more than the references that it replaces; nil: it is
	// not. In another era the same references may be followed by other records.
	Format []byte
}

// Manifest swaps the manifest of a partition.
type Manifest struct {
	Old ulid.ULID        // zero: there is none
	New *ledger.Manifest // nil: there shall be none
}

// Outcome is what became of a change.
type Outcome int

// The outcomes.
const (
	// Open: not decided, because of the error that came with it. It may be in by now.
	Open Outcome = iota
	// Swapped: the head refers to what is new.
	Swapped
	// Changed: what should go is not there as it was. What was put for this change is an orphan.
	Changed
	// Gone: the topic was deleted.
	Gone
	// Late: the floor has passed an object that would be referred to anew. Put the bytes again under a new id.
	Late
	// TooLarge: the head does not fit into a transaction.
	TooLarge
)

var outcomes = [...]string{"open", "swapped", "changed", "gone", "late", "too large"}

// String is the outcome in words.
func (o Outcome) String() string { return outcomes[o] }

// Swapper writes changes of references.
type Swapper struct {
	KV     coordination.KV
	Keys   coordination.Keys
	Stream *stream.Stream
}

// smallest is the least mark of what a change refers to anew; ok is false when that is nothing.
func (c *Change) smallest() (least coordination.Mark, ok bool) {
	add := func(id ulid.ULID) {
		if m := coordination.MarkOf(id); !ok || m < least {
			least, ok = m, true
		}
	}
	for _, id := range c.Objects {
		add(id)
	}
	known := map[ulid.ULID]bool{}
	for i := range c.Remove {
		known[c.Remove[i].Segment] = true
	}
	for i := range c.Insert {
		if s := &c.Insert[i]; s.Inline == nil && !known[s.Segment] {
			add(s.Segment)
		}
	}
	if m := c.Manifest; m != nil && m.New != nil {
		add(m.New.ID)
	}
	return least, ok
}
