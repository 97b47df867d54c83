package queues

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Class of what is wrong with a history. The names are Jepsen's where it has one.
type Class string

// Classes that must not be.
const (
	Phantom             Class = "phantom"               // read, and never sent
	InconsistentOffsets Class = "inconsistent-offsets"  // two values at one offset
	Duplicate           Class = "duplicate"             // one value at two offsets
	LostWrite           Class = "lost-write"            // acknowledged, and readers went past it without seeing it
	Unseen              Class = "unseen"                // acknowledged, and nobody has read as far
	TornTransaction     Class = "torn-transaction"      // one part is read, another one is not
	AbortedRead         Class = "G1a"                   // read, though its send or transaction failed
	PrecommittedRead    Class = "precommitted-read"     // read before its commit was asked for
	G1c                 Class = "G1c"                   // transactions that have read each other
	PollSkip            Class = "poll-skip"             // from one poll to the next
	NonmonotonicPoll    Class = "nonmonotonic-poll"     //
	IntPollSkip         Class = "int-poll-skip"         // within one operation
	IntNonmonotonicPoll Class = "int-nonmonotonic-poll" //
	NonmonotonicSend    Class = "nonmonotonic-send"     // sent later, acknowledged at a lower offset
	IntNonmonotonicSend Class = "int-nonmonotonic-send" //
	ProcessedTwice      Class = "processed-twice"       // two results of one input
	Unprocessed         Class = "unprocessed"           // no result of an input
)

// Classes that Kafka allows: they are counted alone.
const (
	G0          Class = "G0"            // transactions write between each other's records
	G1cByWrites Class = "G1c-by-writes" // a cycle of reads and of such writes
	IntSendSkip Class = "int-send-skip" // a transaction's records of one partition are not side by side
	PollMoved   Class = "poll-moved"    // a skip or a step back where the group rebalanced
)

// Finding is one anomaly.
type Finding struct {
	Class Class
	What  string
}

func (f Finding) String() string { return string(f.Class) + ": " + f.What }

// findingsMax of one class are described; the others are counted.
const findingsMax = 5

// Report on a history.
type Report struct {
	Findings  []Finding
	Anomalies map[Class]int
	Legal     map[Class]int
	Lag       Lag

	// How much there was to judge.
	Ops, Sent, Acknowledged, Read int
	Committed, Aborted, Undecided int // transactions
	Unknown                       int // sends whose client knows neither
}

// Lag is the worst delay between an acknowledgement and a poll that began later and did not come as far.
type Lag struct {
	Time    time.Duration
	At      time.Duration // when that poll began
	Process int
	Key     Key
}

func (r *Report) bad(c Class, format string, args ...any) {
	if r.Anomalies[c]++; r.Anomalies[c] <= findingsMax {
		r.Findings = append(r.Findings, Finding{c, fmt.Sprintf(format, args...)})
	}
}

func (r *Report) legal(c Class) { r.Legal[c]++ }

// Good says that nothing is wrong.
func (r *Report) Good() bool { return len(r.Anomalies) == 0 }

// String sums it up in one line.
func (r *Report) String() string {
	return fmt.Sprintf("%d operations: %d sent, %d acknowledged, %d unknown, %d reads; %d transactions committed, %d aborted, %d unknown; lag %v at %v; legal [%s]; anomalies [%s]",
		r.Ops, r.Sent, r.Acknowledged, r.Unknown, r.Read, r.Committed, r.Aborted, r.Undecided, r.Lag.Time.Round(time.Millisecond), r.Lag.At.Round(time.Millisecond), list(r.Legal), list(r.Anomalies))
}

func list(counts map[Class]int) string {
	var out []string
	for _, c := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%s %d", c, counts[c]))
	}
	return strings.Join(out, ", ")
}
