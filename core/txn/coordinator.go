package txn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
)

// The flow of a transaction:
//
//	InitProducerId                 transactions/<id>: producer, epoch, serial
//	first batch of a partition     transactions/<id>: the partition, before its batch may be committed (Join)
//	TxnOffsetCommit                groups/<g>/pending/<id>, and the group in transactions/<id>
//	EndTxn                         one etcd transaction: transactions/<id> with serial + 1, one commit record with the
//	                               markers of all partitions, the offsets of all groups
//
// Invariants:
//   - Every change of transactions/<id> compares the mod revision at which it was read. So any instance may coordinate
//     any id, also two at once; where clients are sent (a hash over the instances) only saves conflicts.
//   - A marker names every partition that may hold data of its serial, since membership came before data.
//   - The end is one etcd transaction, or nothing: what does not fit is refused before anything is written. A transaction can
//     always be aborted, since what would make its abort too large never becomes a part of it.
//   - Any step may be repeated after a lost answer. State is read again, and the decision made again finds what was done.
//
// Rejected: a state between open and ended (Kafka's Prepare…): it is what a coordinator that dies leaves behind for others to
// finish; comparing transactions/<id> in commits of data: one fenced producer would fail the flush of everybody.

// View is what the log says now.
type View interface {
	// FormatValue is the value of log/format, nil before the log was read.
	FormatValue() []byte
	// NewID draws an id for a commit; its time is the clock of transactions.
	NewID() (ulid.ULID, error)
	// Barrier returns once the view includes everything acknowledged before the call.
	Barrier(ctx context.Context) error
	// View shows the ledger.
	View(fn func(*ledger.Ledger)) error
	// Life changes whenever the log was read anew.
	Life() int64
}

// Offsets are the offsets that groups commit with transactions.
type Offsets interface {
	// SettlePending gives what the end of a transaction compares and changes for one group.
	SettlePending(ctx context.Context, group, transaction string, commit bool) ([]coordination.Guard, []coordination.Change, error)
}

// Cluster is who lives.
type Cluster interface {
	Live() []instance.Info
	Self() int32
}

// Settings of a Coordinator.
type Settings struct {
	KV        coordination.KV
	Keys      coordination.Keys
	View      View
	Offsets   Offsets
	Cluster   Cluster
	Producers *ProducerIDs
	Log       *slog.Logger
	// TimeoutMax bounds what a producer may ask for; IDRetention is how long an unused transactional id is kept.
	TimeoutMax, IDRetention time.Duration
}

// Kafka's defaults.
const (
	DefaultTimeoutMax  = 15 * time.Minute
	DefaultIDRetention = 7 * 24 * time.Hour
)

// Coordinator decides about transactional ids. It starts nothing.
type Coordinator struct {
	Settings
	members members
	// as Expire found them last
	open, oldestMs atomic.Int64
}

// New makes a Coordinator.
func New(s Settings) *Coordinator { return &Coordinator{Settings: s} }

// step is what a decision asks to be written.
type step struct {
	next    *State         // nil: nothing
	remove  bool           // the key goes instead
	ended   *ledger.Marker // becomes a commit record; nil: none
	guards  []coordination.Guard
	changes []coordination.Change
}

// writeTimeout bounds one change with all its tries.
const writeTimeout = 5 * time.Second

// update reads a transactional id, decides, and writes, again and again until it is written or refused. decide gets nil for
// an id that is not there, and may change what it gets.
func (c *Coordinator) update(ctx context.Context, id string, decide func(s *State, ms int64) (step, error)) error {
	if id == "" {
		return fmt.Errorf("%w: no transactional id", ErrInvalid)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	class := ErrBusy
	for attempt := 0; ; attempt++ {
		done, err := c.try(ctx, id, decide)
		switch {
		case done || err != nil && !errors.Is(err, coordination.ErrUnknown):
			return err
		case err != nil:
			class = ErrUnavailable
			c.Log.Warn("transaction not confirmed, looking again", "transaction", id, "attempt", attempt, "error", err)
		}
		if err := pause.For(ctx, pause.Backoff(attempt, time.Millisecond, 100*time.Millisecond)); err != nil {
			return fmt.Errorf("change transaction %q: %w: %w", id, class, err)
		}
	}
}

// try makes one round. An error of class coordination.ErrUnknown, or done false, means: look again.
func (c *Coordinator) try(ctx context.Context, id string, decide func(s *State, ms int64) (step, error)) (done bool, err error) {
	format := c.View.FormatValue() // before the state is read: in an etcd rebuilt meanwhile the same revision is another state
	s, mod, err := c.read(ctx, id)
	if err != nil {
		return false, err
	}
	commit, err := c.View.NewID()
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	ms := int64(commit.Time())
	st, err := decide(s, ms)
	if err != nil || st.next == nil && !st.remove {
		return true, err
	}
	guards, changes, err := c.changes(id, mod, format, commit, &st, ms)
	if err != nil {
		return false, err
	}
	res, err := c.KV.Commit(ctx, guards, changes)
	switch {
	case errors.Is(err, coordination.ErrUnknown):
		return false, err
	case errors.Is(err, coordination.ErrTooLarge):
		return false, fmt.Errorf("transaction %q: %w: %w", id, ErrTooLarge, err)
	case err != nil:
		return false, fmt.Errorf("%w: change transaction %q: %w", ErrUnavailable, id, err)
	case !res.Committed && st.ended != nil:
		// Perhaps the floor has passed the id, drawn from a stamp that this instance was late to see.
		return false, c.barrier(ctx)
	}
	return res.Committed, nil
}

func (c *Coordinator) barrier(ctx context.Context) error {
	if err := c.View.Barrier(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// read gives an id's state, nil when there is none, and the mod revision to compare.
func (c *Coordinator) read(ctx context.Context, id string) (*State, coordination.Revision, error) {
	snap, err := c.KV.Get(ctx, c.Keys.Transaction(id))
	if err != nil {
		return nil, 0, fmt.Errorf("%w: read transaction %q: %w", ErrUnavailable, id, err)
	}
	item := snap.Items[0]
	if item.Create == 0 {
		return nil, 0, nil
	}
	s, err := decodeState(item.Value)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: transaction %q: %w", ErrUnavailable, id, err)
	}
	return s, item.Mod, nil
}

// changes puts the one etcd transaction of a step together.
func (c *Coordinator) changes(id string, mod coordination.Revision, format []byte, commit ulid.ULID, st *step, ms int64) ([]coordination.Guard, []coordination.Change, error) {
	if format == nil {
		return nil, nil, fmt.Errorf("%w: the log has not been read yet", ErrUnavailable)
	}
	key := c.Keys.Transaction(id)
	guards := append(st.guards, coordination.ModIs(key, mod))
	changes := st.changes
	if st.remove {
		changes = append(changes, coordination.DeleteKey(key))
	} else {
		st.next.UsedMs = ms
		changes = append(changes, coordination.PutKey(key, st.next.encode()))
	}
	if st.ended == nil || len(st.ended.Partitions) == 0 {
		return append(guards, coordination.ValueIs(c.Keys.Format(), format)), changes, nil
	}
	value := endingCommit(st.ended)
	if len(value) > ledger.CommitBytesMax {
		return nil, nil, fmt.Errorf("markers of %d partitions: %w", len(st.ended.Partitions), ErrTooLarge)
	}
	guards = append(guards, ledger.CommitGuards(c.Keys, commit, coordination.MarkOf(commit), format)...)
	return guards, append(changes, coordination.PutKey(c.Keys.Commit(commit), value)), nil
}

// fresh gives a producer id where the state needs one.
func (c *Coordinator) fresh(ctx context.Context, needed bool) (record.ProducerID, error) {
	if !needed {
		return record.NoProducer, nil
	}
	id, err := c.Producers.NextProducerID(ctx)
	if err != nil {
		return id, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return id, nil
}
