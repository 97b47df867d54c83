package sim

import "github.com/firnlog/firnlog/core/rule"

// Mutation is one rule switched off, and the invariants of the design that it breaks.
type Mutation struct {
	rule.Rule
	Breaks string
	// Queues: the histories of queues find it, since its harm is in what clients of transactions are told.
	Queues bool
}

// Mutations of all invariants, I1 to I13.
func Mutations() []Mutation {
	return []Mutation{
		{Rule: rule.CommitAfterPut, Breaks: "I1"},
		{Rule: rule.TrimAllHeads, Breaks: "I2, I7"},
		{Rule: rule.BeginAtZero, Breaks: "I2"},
		{Rule: rule.FoldsStreamAlone, Breaks: "I3"},
		{Rule: rule.FormatStops, Breaks: "I3"},
		{Rule: rule.TopicsInStream, Breaks: "I4"},
		{Rule: rule.OneRevision, Breaks: "I4"},
		{Rule: rule.OneCommitKey, Breaks: "I4"},
		{Rule: rule.PartitionAlone, Breaks: "I5"},
		{Rule: rule.BatchOutcome, Breaks: "I5, I12"},
		{Rule: rule.ExpireByRecord, Breaks: "I6"},
		{Rule: rule.TrimBelowFloor, Breaks: "I7"},
		{Rule: rule.FloorMonotone, Breaks: "I8"},
		{Rule: rule.RefsAfterFloor, Breaks: "I8"},
		{Rule: rule.NoEagerDelete, Breaks: "I8"},
		{Rule: rule.SettleGuard, Breaks: "I8"},
		{Rule: rule.StampClamp, Breaks: "I8"},
		{Rule: rule.UnknownStays, Breaks: "I9"},
		{Rule: rule.TxnFence, Breaks: "I9"},
		{Rule: rule.TxnRegister, Breaks: "I9"},
		{Rule: rule.TxnSerial, Breaks: "I9"},
		{Rule: rule.TxnDropsOffsets, Breaks: "I9", Queues: true},
		{Rule: rule.SwapComparesHead, Breaks: "I10"},
		{Rule: rule.SwapKeepsRest, Breaks: "I10"},
		{Rule: rule.DeleteRecordsNarrow, Breaks: "I10"},
		{Rule: rule.CompactKeepsLast, Breaks: "I10"},
		{Rule: rule.CompactCommitted, Breaks: "I10"},
		{Rule: rule.TombstonesWait, Breaks: "I10"},
		{Rule: rule.RetainByTimestamp, Breaks: "I10"},
		{Rule: rule.CopyBeforeSwap, Breaks: "I1"},
		{Rule: rule.BarrierBeforeRefusal, Breaks: "I11"},
		{Rule: rule.StableEnd, Breaks: "I11"},
		{Rule: rule.BadBatchAlone, Breaks: "I12"},
		{Rule: rule.MemoryBounded, Breaks: "I12"},
		{Rule: rule.StreamReopens, Breaks: "I13"},
	}
}
