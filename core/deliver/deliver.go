// Package deliver takes the records of a consumer group to a Lambda function, in the events that AWS's own poller of Kafka sends.
//
//	Poll     the group's member reads its partitions                                     (run.go)
//	portion  what was read of one partition, as records of events                        (portion.go, event.go)
//	lane     one portion on its way: batch after batch, in order, one at a time          (lane.go)
//	plan     what the next batch is, after success and after failure                     (plan.go, answer.go)
//	letter   a record that is given up, for the dead-letter topic                        (letter.go)
//	commit   how far each partition came, as soon as it is known                         (run.go)
//
// # Invariants
//
//   - A partition has one lane at most, and a lane one batch at the function: order within a partition is kept, also over failures.
//   - An offset is committed only when every record below it was taken by the function, or lies in the dead-letter topic.
//   - Without a dead-letter topic nothing is given up: the partition stands still, and the others go on.
//   - At least once: who dies between the function's answer and the commit delivers that batch again. A letter that is written again is
//     known for a duplicate by its producer id, a hash of what names the record (letter.go).
//   - Only Run speaks with the group; lanes speak with the function alone.
//   - Throttles and a Lambda service that does not answer are nobody's failure: they are waited out, and count for nothing.
//
// Owns: the shape of events, batches, retries, bisection, dead letters. Does not own: the member (core/invoke), Lambda's client and the
// place of dead letters (functions/deliver).
package deliver

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/record"
)

// Errors of a Target, asked for with errors.Is; any other one means that the service cannot be had now.
var (
	// ErrThrottled: the function runs as often as it may. Nothing was executed.
	ErrThrottled = errors.New("the function is throttled")
	// ErrTooLarge: the event is larger than Lambda takes. Nothing was executed.
	ErrTooLarge = errors.New("the event is too large")
	// ErrRefused: the function is not there, or may not be invoked: no record's fault.
	ErrRefused = errors.New("the function cannot be invoked")
)

// FunctionError is what the function, or its end, said of a batch.
type FunctionError struct {
	TimedOut bool
	Message  string
}

func (e *FunctionError) Error() string { return "the function failed: " + e.Message }

// Target is the function.
type Target interface {
	// Invoke gives the function's answer; *FunctionError: it failed.
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Member is a consumer of a group for the time of an invocation (core/invoke).
type Member interface {
	// Poll settles, and reads the partitions that skip does not name; those that hold names are not given up to others yet.
	Poll(ctx context.Context, skip, hold func(record.TopicPartition) bool, bytesMax int, wait time.Duration) ([]consume.Fetched, error)
	// Leaving says that a partition that is held has to be given up.
	Leaving(tp record.TopicPartition) bool
	// Reset sets the position of a partition that is out of range.
	Reset(ctx context.Context, f consume.Fetched) error
	Commit(ctx context.Context, next map[record.TopicPartition]record.Offset) error
	Places() []consume.Place
}

// Dead takes letters; nil of Settings: there is no dead-letter topic. When it returns nil they are durable.
type Dead interface {
	Bury(ctx context.Context, letters []Letter) error
}

// Settings of a Run.
type Settings struct {
	Member Member
	Target Target
	Dead   Dead
	Rule   Rule
	// Bootstrap is what events say in bootstrapServers.
	Bootstrap string
	// Parallel is how many partitions are delivered at a time.
	Parallel int
	// Wait is how long to wait for records where there are none; then Run ends.
	Wait time.Duration
	// Reserve is what an invocation of the function takes at least: with less time left none is begun.
	Reserve time.Duration
	// CommitFirst commits where partitions begin: what is written between this invocation and the next is not to be missed.
	CommitFirst bool
	FetchBytes  int
	Now         func() time.Time
	Random      func() float64
	Log         *slog.Logger
}

// Report is what an invocation says of itself.
type Report struct {
	Delivered    int   `json:"delivered"`    // records that the function has taken
	Failed       int   `json:"failed"`       // invocations of the function that failed
	DeadLettered int   `json:"deadLettered"` // records that were given up
	Throttled    int   `json:"throttled"`    // invocations that were refused for now
	Invocations  int   `json:"invocations"`
	Lag          int64 `json:"lag"`        // records that this invocation's partitions have left
	Partitions   int   `json:"partitions"` // that it had at the end
	// Blocked are partitions that stand still until the next invocation, with the reason.
	Blocked map[string]string `json:"blocked,omitempty"`
	// OutOfTime says that there would have been more to do.
	OutOfTime bool `json:"outOfTime"`
}
