// Package ingest is the write path: accept, gather, put, commit, learn the
// offsets, acknowledge (see flush.go for the flow).
//
// Owns: the batcher, the uploads in flight, the order of commits of this
// instance, and the waiters. Does not own: what a commit means (core/ledger)
// nor how offsets are learnt from the stream (core/stream).
package ingest

import (
	"errors"

	"github.com/firnlog/firnlog/core/record"
)

// Incoming is one record batch of one partition, as a producer sent it.
type Incoming struct {
	Partition record.TopicPartition
	Batch     []byte // v2; not copied, and kept by the cache: must never change again
	// Keeps is how many bytes of memory Batch keeps from being freed: the request's, all batches of which are given to one Add. 0: its own.
	Keeps int64
	// Transaction is the transactional id of the request; "": none. Implicit: its transactional batches make their
	// partitions members of the transaction (KIP-890), else the client has done so before.
	Transaction string
	Implicit    bool
}

// Outcome is what became of one batch.
type Outcome struct {
	// Err is nil when the batch is durable and in order at Base.
	Err error
	// Base is the offset of its first record; for a duplicate that of the first copy. -1 when not known.
	Base record.Offset
	// AppendTime in ms when the topic stamps LogAppendTime, else -1.
	AppendTime int64
	LogStart   record.Offset
	// BadRecords lists records that were the reason for refusing the batch (KIP-467).
	BadRecords []int32
}

// Errors of an Outcome. Those of core/record for malformed batches come wrapped.
var (
	// ErrUnknownPartition: no such topic or partition, seen behind a barrier.
	ErrUnknownPartition = errors.New("unknown topic or partition")
	// ErrFenced: a newer epoch of this producer has written; final.
	ErrFenced = errors.New("producer epoch is fenced")
	// ErrOutOfOrder: sequences before this one are missing.
	ErrOutOfOrder = errors.New("out of order sequence number")
	// ErrUnknownProducer: nothing is known of this producer and the batch does not begin at sequence 0.
	ErrUnknownProducer = errors.New("unknown producer id")
	// ErrOldDuplicate: the batch was appended, but so long ago that its offset is no longer known.
	ErrOldDuplicate = errors.New("duplicate of a batch no longer remembered")
	// ErrNoKey: a record without key on a compacted topic; BadRecords says which.
	ErrNoKey = errors.New("record without key on a compacted topic")
	// ErrTimestamp: outside the topic's bounds.
	ErrTimestamp = errors.New("timestamp out of bounds")
	// ErrNotAppended: nothing happened; trying again is safe.
	ErrNotAppended = errors.New("not appended")
	// ErrUnknown: it may have been appended or may be later; only an idempotent retry is safe.
	ErrUnknown = errors.New("outcome unknown")
	// ErrNoTransaction: a transactional batch in a request without a transactional id.
	ErrNoTransaction = errors.New("transactional batch without a transactional id")
	// ErrTxnState: the partition is not a member of the transaction, or another one of the producer is open.
	ErrTxnState = errors.New("batch does not fit the state of its producer's transaction")
)
