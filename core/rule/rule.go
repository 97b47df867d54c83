// Package rule names the rules of the commit protocol, so that a simulation can
// switch one off and show that it would be missed.
//
// In an ordinary build On is constant and the compiler removes the question.
// With the build tag ablate, Without switches a rule off for a whole
// process; only sim does that. PROTOCOL findings are named beside each rule in
// docs/TESTING.md.
//
// Owns: the names. Does not own: what a rule does; that stands where it is asked.
package rule

// Rule is one rule of the protocol.
type Rule int

// The rules. Each comment says what holds while it is on.
const (
	// TrimBelowFloor: a commit key goes only when the floor has passed its id.
	TrimBelowFloor Rule = iota
	// TrimAllHeads: a commit key goes only when every partition it names is covered.
	TrimAllHeads
	// FloorMonotone: floor and stamp only grow, compared in their transaction.
	FloorMonotone
	// RefsAfterFloor: sweep reads references after it has raised the floor.
	RefsAfterFloor
	// NoEagerDelete: nobody but sweep deletes objects, not even after a failed commit.
	NoEagerDelete
	// ExpireByRecord: producers are forgotten by a record in the stream, not by a clock.
	ExpireByRecord
	// TopicsInStream: topics are folded in the order of the one stream.
	TopicsInStream
	// OneRevision: a bootstrap reads all its pages at one revision.
	OneRevision
	// UnknownStays: refused by the floor after an unknown outcome is unknown, not "did not happen".
	UnknownStays
	// OneCommitKey: one transaction creates at most one commit key, so that order is the revision alone.
	OneCommitKey
	// DeleteRecordsNarrow: DeleteRecords moves the log start alone, never as-of.
	DeleteRecordsNarrow
	// StampClamp: ids take their time from the stamp, not from a free clock.
	StampClamp
	// BatchOutcome: each batch is accepted or refused for itself, not with its run.
	BatchOutcome
	// BeginAtZero: a producer that the head does not know must begin at sequence 0.
	BeginAtZero
	// CommitAfterPut: a commit is written only after its segment is durable.
	CommitAfterPut
	// TxnRegister: a partition is a member of a transaction before its first batch of it is committed.
	TxnRegister
	// BarrierBeforeRefusal: an answer that more stream could turn is given behind a barrier.
	BarrierBeforeRefusal
	// SettleGuard: what maintenance refers to anew is above the floor, compared in the transaction.
	SettleGuard
	// SwapComparesHead: references are swapped only in the head that was read, compared by its mod revision.
	SwapComparesHead
	// SwapKeepsRest: references that maintenance does not replace stay.
	SwapKeepsRest
	// TxnSerial: a batch of a transaction that has ended is refused, by its serial.
	TxnSerial
	// TxnFence: only the newest epoch of a transactional id adds to its transaction or ends it.
	TxnFence
	// TxnDropsOffsets: offsets of an aborted transaction are dropped with it.
	TxnDropsOffsets
	// StableEnd: readers of read_committed see nothing from the first open transaction on.
	StableEnd
	// FoldsStreamAlone: what a batch becomes follows from the stream, never from the order of a map, a clock or the instance.
	FoldsStreamAlone
	// FormatStops: who meets a record of a version that it does not know stops serving, and never skips it.
	FormatStops
	// PartitionAlone: what becomes of a batch does not depend on other partitions of its commit.
	PartitionAlone
	// BadBatchAlone: a batch that is refused takes no other one of its request with it.
	BadBatchAlone
	// MemoryBounded: batches wait for memory, so that no more is held than was given for them.
	MemoryBounded
	// StreamReopens: a stream that lost its watch or its KV begins anew by itself.
	StreamReopens
	// CompactKeepsLast: log compaction keeps the last record of each key.
	CompactKeepsLast
	// CompactCommitted: only a record that counts lets log compaction take older ones of its key; an aborted one does not.
	CompactCommitted
	// TombstonesWait: a tombstone stays for delete.retention.ms after it was first compacted.
	TombstonesWait
	// RetainByTimestamp: retention.ms counts from the records' own timestamps.
	RetainByTimestamp
	// CopyBeforeSwap: references move to cold storage only when the copy is there.
	CopyBeforeSwap
	count
)

var names = [count]string{
	"TrimBelowFloor", "TrimAllHeads", "FloorMonotone", "RefsAfterFloor", "NoEagerDelete", "ExpireByRecord", "TopicsInStream", "OneRevision",
	"UnknownStays", "OneCommitKey", "DeleteRecordsNarrow", "StampClamp", "BatchOutcome", "BeginAtZero", "CommitAfterPut", "TxnRegister", "BarrierBeforeRefusal",
	"SettleGuard", "SwapComparesHead", "SwapKeepsRest",
	"TxnSerial", "TxnFence", "TxnDropsOffsets", "StableEnd",
	"FoldsStreamAlone", "FormatStops", "PartitionAlone", "BadBatchAlone", "MemoryBounded", "StreamReopens",
	"CompactKeepsLast", "CompactCommitted", "TombstonesWait", "RetainByTimestamp", "CopyBeforeSwap",
}

// String is the rule's name.
func (r Rule) String() string { return names[r] }

// All lists every rule.
func All() []Rule {
	out := make([]Rule, count)
	for i := range out {
		out[i] = Rule(i)
	}
	return out
}
