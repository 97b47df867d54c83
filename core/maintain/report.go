package maintain

import (
	"context"
	"errors"
	"time"
)

// Report is the answer of a visit, for people and for alarms.
type Report struct {
	// HeldBy names who does the upkeep now, if it is somebody else: nothing was done here.
	HeldBy string `json:"held_by,omitempty"`
	Ms     int64  `json:"ms"`
	// Done are the steps that came to their end, in order, with their time in ms.
	Done []Done `json:"done,omitempty"`
	// Overdue are steps that are due and were not done, or not to their end.
	Overdue []Overdue `json:"overdue,omitempty"`
	// Failed are errors by step; each is tried again.
	Failed map[string]string `json:"failed,omitempty"`
	// Again says that another visit at once would do something useful.
	Again bool `json:"again"`

	SettledBytes        int64 `json:"settled_bytes"`   // read to be written again
	CompactedBytes      int64 `json:"compacted_bytes"` // the same, by log compaction
	ChilledBytes        int64 `json:"chilled_bytes"`
	MembersOut          int   `json:"members_put_out"`
	DeletedObjects      int   `json:"deleted_objects"`
	Damaged             int   `json:"damaged"`                      // findings of scrub, and stretches that could not be settled
	RetentionOverdue    int   `json:"retention_overdue_partitions"` // something has expired that is still there
	ColdRefused         int   `json:"cold_refused_partitions"`      // whose storage class the store does not take
	CommitsBehindMs     int64 `json:"floor_behind_ms"`              // how far the floor lies behind the clock
	SettleLeftForBytes  int64 `json:"settle_left_bytes"`            // the largest job for which there was not enough time
	SettleLeftForMillis int64 `json:"settle_left_needs_ms"`         // and how much it takes
}

// Done is a step that was done.
type Done struct {
	Step string `json:"step"`
	Ms   int64  `json:"ms"`
}

// Overdue is a step that waits.
type Overdue struct {
	Step string `json:"step"`
	// Age is how long ago it was last done, in seconds; -1: never yet.
	Age int64 `json:"age_s"`
	// Needs is the time that a visit must have left for it, in seconds; 0: it goes on from where it is.
	Needs int64 `json:"needs_s,omitempty"`
}

func (r *Report) did(name string, took time.Duration, err error) {
	switch {
	case err == nil:
		r.Done = append(r.Done, Done{name, took.Milliseconds()})
	case !errors.Is(err, errMore) && !errors.Is(err, errShort) && !errors.Is(err, context.DeadlineExceeded):
		r.Failed[name] = err.Error()
	}
}

func (r *Report) postpone(name string, age, needs time.Duration) {
	o := Overdue{Step: name, Age: -1, Needs: int64(needs / time.Second)}
	if age < time.Duration(1<<61) {
		o.Age = int64(age / time.Second)
	}
	r.Overdue = append(r.Overdue, o)
	r.Again = r.Again || needs == 0
}
