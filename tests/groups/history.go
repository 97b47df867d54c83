// Package groups judges histories of consumer groups, and (with the tag stack) makes them with real
// brokers and real clients: members join, leave, are killed, are paused for longer than their session, and lose their
// coordinator.
//
// A history is what members saw: the calls they made, with the times before and after, and what they were told. Check is
// a function of a history alone; the simulator of sim/ brings histories of its own to it.
//
// Owns: what must hold of any history. Does not own: how it came about.
package groups

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Partition is one partition of a topic.
type Partition struct {
	Topic  string
	Number int32
}

func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Number) }

// Kind of an event.
type Kind string

// Kinds of events.
const (
	Assigned  Kind = "assigned"  // the member has these partitions, too, from Start on, and is at Generation
	Revoked   Kind = "revoked"   // it gave them up, and was done with that at End
	Lost      Kind = "lost"      // it was told that they are not its any more
	Processed Kind = "processed" // it has read and processed records From..Offset-1
	Commit    Kind = "commit"    // it asked to commit Offset as a member of Generation
	Read      Kind = "read"      // somebody read the committed Offset; -1: there is none
	Disturbed Kind = "disturbed" // a fault of this member, from Start to End: it was paused, or killed
)

// Outcome of a commit.
type Outcome string

// Outcomes of commits. Unknown is neither of the others, and never guessed.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
	Unknown Outcome = "unknown"
)

// Event is one thing that a member did or was told.
type Event struct {
	Start, End time.Duration // since the beginning of the history
	Kind       Kind
	Member     string // the test's name for it: it outlives the ids that coordinators give
	Generation int32  // or member epoch; 0 and less: not known
	Partitions []Partition
	From       int64
	Offset     int64
	Outcome    Outcome
	Note       string // for a person
}

func (e Event) String() string {
	s := fmt.Sprintf("%9.3fs..%9.3fs %s %s gen=%d", e.Start.Seconds(), e.End.Seconds(), e.Member, e.Kind, e.Generation)
	switch e.Kind {
	case Processed:
		s += fmt.Sprintf(" %v %d..%d", e.Partitions, e.From, e.Offset-1)
	case Commit:
		s += fmt.Sprintf(" %v %d %s", e.Partitions, e.Offset, e.Outcome)
	case Read:
		s += fmt.Sprintf(" %v %d", e.Partitions, e.Offset)
	default:
		s += fmt.Sprintf(" %v", e.Partitions)
	}
	return s + " " + e.Note
}

// History is all that happened to one group.
type History struct {
	Group  string
	Events []Event // in any order
	// Ends are the partitions that the group consumes, each with the end of what was produced and acknowledged; a negative
	// one is not compared.
	Ends map[Partition]int64
	// Healed is when the last fault was over and the last member had come or gone; from SettleMax after it on, nobody
	// gains or loses a partition. Zero: the history does not say.
	Healed, SettleMax time.Duration
	// Final are the members that live in the end, with their generations.
	Final map[string]int32
}

// Recorder collects events from many goroutines.
type Recorder struct {
	now func() time.Duration
	mu  struct {
		sync.Mutex
		events []Event
	}
}

// NewRecorder makes one with a clock.
func NewRecorder(now func() time.Duration) *Recorder { return &Recorder{now: now} }

// Now is the time of the history.
func (r *Recorder) Now() time.Duration { return r.now() }

// Note adds an event; one that has no End ends now.
func (r *Recorder) Note(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.End == 0 {
		e.End = r.now()
	}
	e.Partitions = slices.Clone(e.Partitions)
	r.mu.events = append(r.mu.events, e)
}

// Events are those noted so far.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.mu.events)
}
