// Package queues checks histories of clients of partitioned logs, as the checker of Jepsen's Kafka workload does: clients
// send values that are all different, poll, do both in transactions, are assigned partitions, and crash; what each of them
// was told must fit one log a partition, and transactions that are whole or not there.
//
//	History ──► place      each value has one offset, each offset one value; that order is the truth from here on
//	            lost       what was acknowledged is read, and transactions are not torn
//	            walk       each process reads on where it was; how far it was behind
//	            sends      each process's sends are in its own order
//	            cycles     no transaction reads what depends on itself
//	            transform  each record of an input is worked on once
//
// All of it is linear in the steps of a history, but for the sorting of offsets.
//
// What Kafka allows is counted and no anomaly: transactions that write between each other's records (G0, and cycles that need such an
// edge; int-send-skip), and a poll that goes back or skips when the group has rebalanced in between.
//
// Unknown outcomes stay unknown: a value whose sender has no answer may be there or not. Once somebody has read it, it
// must stay, and so must all that its sender was told was appended in the same transaction.
//
// Owns: the form of a history and its judgement. Does not own: clients, clocks, faults.
package queues

import (
	"sync"
	"time"
)

// Key is a partition: clients choose the mapping.
type Key int32

// Value is one record. No two sends of a history have the same, and 0 is none.
type Value int64

// Outcome of an operation, as its client knows it.
type Outcome uint8

// Outcomes. What a client never asked to be committed has failed, also when the client died.
const (
	Unknown Outcome = iota
	Done
	Failed
)

// Kind of operation.
type Kind uint8

// Kinds. Rebalance says that a group gave the process these keys, maybe the same ones.
const (
	Transact  Kind = iota // sends and polls
	Assign                // these keys from now on
	Subscribe             // a group will say which
	Rebalance
	Crash // whatever this process knew is gone
)

// NoOffset is that of a send whose client was not told one.
const NoOffset = -1

// Step is one record, sent or polled.
type Step struct {
	Key    Key
	Offset int64
	Value  Value
	Source Value // of a send: what was read to make it; 0: nothing
	Sent   bool
}

// Op is one operation of a process. The ops of a process are in the order of their starts; they may overlap only where a producer
// keeps the order of what is on its way.
type Op struct {
	Process int
	Kind    Kind
	Outcome Outcome
	Start   time.Duration
	Ending  time.Duration // of a transaction: when its commit was asked for; 0: not said
	End     time.Duration // when the answer was there

	Transaction bool   // its sends are there together or not at all; otherwise it has one send at most
	Uncommitted bool   // it polled with read_uncommitted
	Polled      bool   // it polled, maybe nothing
	Final       bool   // it read Keys from their beginning to their end, after everything else
	Afresh      bool   // of Assign: positions are set anew
	Steps       []Step // in the order of the client
	Keys        []Key
}

// History is what there is to judge.
type History struct {
	Ops []Op
	// Drained are inputs of which everything was to be worked on by the end.
	Drained []Key
}

// Recorder collects the operations of clients that run at once.
type Recorder struct {
	now func() time.Duration
	mu  struct {
		sync.Mutex
		ops []Op
	}
}

// NewRecorder makes one; now is the time since the beginning.
func NewRecorder(now func() time.Duration) *Recorder { return &Recorder{now: now} }

// Now is the time of the history.
func (r *Recorder) Now() time.Duration { return r.now() }

// Add takes an operation that has just ended, if it does not say when. Nobody changes its steps afterwards.
func (r *Recorder) Add(op Op) {
	if op.End == 0 {
		op.End = r.now()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.ops = append(r.mu.ops, op)
}

// Ops gives what was recorded so far.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.ops[:len(r.mu.ops):len(r.mu.ops)]
}
