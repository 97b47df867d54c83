// Package linear checks that a partition behaves as one log that everybody shares: every call takes effect at one instant
// between its beginning and its answer (linearizability; the search is Porcupine's).
//
//	Op ──► place    one offset has one batch, one batch one offset, whoever was told or has read it
//	       windows  cut where nothing is on its way, so that the search stays short
//	       model    the next offset, the log start, and how many of the known batches are in
//
// What the search decides is order in real time: a batch acknowledged before another one is sent lies before it; an end, an
// empty read or a bound once told is never taken back; what was deleted stays deleted.
//
// An append whose sender has no answer may take effect at any time or never. Where somebody has read it, its offset is known, and so
// is its place in the order; where nobody has, nothing depends on it. Offsets that no known batch has (markers of transactions,
// batches that nobody read) may appear between the others at any time.
//
// Reads that bring records are not compared with the log start, since data in hand needs no barrier; empty reads, refusals
// and bounds are.
//
// Owns: the form of such a history and its judgement. Does not own: clients; clocks; what lies between partitions.
package linear

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// Kind of call.
type Kind uint8

// Kinds, and which fields of an Op they use.
const (
	Append     Kind = iota // Value, Records, and Base: Unknown where nobody was told
	Read                   // one batch that a read brought: Value, Records, Base
	Empty                  // a read at Base brought nothing: the log ends there
	OutOfRange             // a read at Base was refused: it is below the log start or beyond the end
	Bounds                 // log start Base, end End
	Delete                 // everything below Base; End is the log start that was told: Unknown without an answer
)

// Unknown offset.
const Unknown = -1

// Never is the time of an answer that did not come.
const Never time.Duration = math.MaxInt64

// Op is one call.
type Op struct {
	Kind      Kind
	From, To  time.Duration // from its beginning to its answer, or Never
	Value     int64         // of a batch: no two have the same
	Base, End int64
	Records   int64
}

var kindNames = [...]string{"append", "read", "empty", "out of range", "bounds", "delete"}

func (o Op) String() string {
	to := "never"
	if o.To != Never {
		to = fmt.Sprintf("%.6fs", o.To.Seconds())
	}
	return fmt.Sprintf("%12.6fs..%s %s value %d base %d records %d end %d", o.From.Seconds(), to, kindNames[o.Kind], o.Value, o.Base, o.Records, o.End)
}

// Recorder collects the calls of one partition from many goroutines.
type Recorder struct {
	mu  sync.Mutex
	ops []Op
}

// Note adds a call.
func (r *Recorder) Note(o Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, o)
}

// Ops are those noted so far.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ops[:len(r.ops):len(r.ops)]
}
