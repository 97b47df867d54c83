// Package consume is a consumer of a group that nobody holds in memory: all that it is lies in its seat (core/group, seat.go), so that any
// instance, and any invocation of a function, does each of its steps.
//
//	Find     read its seat
//	Settle   take part in the group: a heartbeat (KIP-848), or some
//	Fetch    read on from its places; Walk goes through the records
//	Commit…  commit positions
//	Keep     swap the seat: what was read may be shown after that, and not before
//
// # Invariants
//
//   - Of two requests at the same time one is told ErrSeatChanged by Keep, and begins anew with what the other has left.
//   - A partition is out of the seat before the group is told that it is given up. So a request that still reads it fails at Keep, and
//     whoever gets it next is alone with it.
//   - Positions are stored before records are shown, and commits are of what earlier answers held.
//   - A heartbeat that was answered but whose seat was not stored does no harm: the next one comes with the epoch before, which a
//     coordinator takes from a member that has no more than it was given.
//
// Owns: the JSON in seats, where a consumer goes on from. Does not own: the group (core/group), bytes (core/fetch), how records are
// shown (core/rest, functions).
package consume

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// ErrNoOffset: the group has committed nothing there, and the consumer is not to begin by itself.
var ErrNoOffset = errors.New("there is no offset to begin from, and auto.offset.reset is none")

// Groups knows consumer groups, whoever coordinates them.
type Groups interface {
	ConsumerHeartbeat(ctx context.Context, name string, r group.ConsumerRequest) (group.ConsumerResult, error)
	CommitOffsets(ctx context.Context, name string, r group.CommitRequest) error
	OffsetsStored(ctx context.Context, name string, stable bool) ([]group.FetchedTopic, error)

	TakeSeat(ctx context.Context, group, member string, ttl time.Duration, encode func(leasedAt time.Time) []byte) (*group.Seat, error)
	FindSeat(ctx context.Context, group, member string) (*group.Seat, error)
	KeepSeat(ctx context.Context, s *group.Seat, encode func(leasedAt time.Time) []byte) error
	LeaveSeat(ctx context.Context, s *group.Seat) error
}

// Topics is the live view of topics.
type Topics interface {
	TopicByID(id record.TopicID) (*ledger.Topic, bool)
	// Barrier returns once the view includes everything acknowledged before the call.
	Barrier(ctx context.Context) error
}

// Settings of Consumers.
type Settings struct {
	Groups           Groups
	Topics           Topics
	Reader           fetch.Reader
	Now              func() time.Time
	Log              *slog.Logger
	AutoCommitEvery  time.Duration // of consumers that commit by themselves
	RebalanceTimeout time.Duration // a consumer that has to give up partitions must call within
	// May says whether a consumer may read a topic: one that a pattern finds is left alone where it may not. nil: it may.
	May func(ctx context.Context, topic string) bool
}

// Consumers are all consumers of this kind. It keeps nothing.
type Consumers struct{ Settings }

// New makes Consumers.
func New(s Settings) *Consumers { return &Consumers{s} }

// Consumer is one of them, during a request.
type Consumer struct {
	State
	Client, Host string // as the group is told
	// Held names places that are at work within the request: they are given up later. nil: none is.
	Held    func(record.TopicPartition) bool
	leaving map[record.TopicPartition]bool
	of      *Consumers
	seat    *group.Seat
	before  []byte // its state as it was read
}

// Group and Member say which one it is.
func (c *Consumer) Group() string { return c.seat.Group }

// Member is its name in the group.
func (c *Consumer) Member() string { return c.seat.Member }

// Take makes a consumer. group.ErrSeatTaken: the group has one by that name.
func (s *Consumers) Take(ctx context.Context, name, member string, state State) (*Consumer, error) {
	state.Version = stateVersion
	c := &Consumer{State: state, of: s}
	var err error
	if c.seat, err = s.Groups.TakeSeat(ctx, name, member, c.life(), c.encode); err != nil {
		return nil, err
	}
	c.before = c.seat.Value
	return c, nil
}

// Find reads a consumer. group.ErrSeatGone: there is none, or its time has run out.
func (s *Consumers) Find(ctx context.Context, name, member string) (*Consumer, error) {
	seat, err := s.Groups.FindSeat(ctx, name, member)
	if err != nil {
		return nil, err
	}
	c := &Consumer{of: s, seat: seat, before: seat.Value}
	if c.State, err = Decode(seat.Value); err != nil {
		return nil, err
	}
	seat.TTL, seat.LeasedAt = c.life(), time.UnixMilli(c.LeasedAtMs)
	return c, nil
}

// Keep stores what has changed, and lets the consumer live on.
func (c *Consumer) Keep(ctx context.Context) error {
	if bytes.Equal(c.encode(c.seat.LeasedAt), c.before) && !c.seat.Worn(c.of.Now()) {
		return nil
	}
	return c.Store(ctx)
}

// Store stores the consumer also where nothing has changed: when it returns nil, no other request of it that began before can
// store anything.
func (c *Consumer) Store(ctx context.Context) error {
	if err := c.of.Groups.KeepSeat(ctx, c.seat, c.encode); err != nil {
		return err
	}
	c.before = c.seat.Value
	return nil
}

// triesMax is how often a step begins anew because another one of the same consumer was faster.
const triesMax = 5

// Change runs a step on a consumer, and stores what it makes of it.
func (s *Consumers) Change(ctx context.Context, name, member string, step func(c *Consumer) error) error {
	for try := 1; ; try++ {
		c, err := s.Find(ctx, name, member)
		if err != nil {
			return err
		}
		if err = step(c); err == nil {
			err = c.Keep(ctx)
		}
		if err == nil || !errors.Is(err, group.ErrSeatChanged) || try == triesMax {
			return err
		}
	}
}

// Remove ends the consumer, and takes it out of its group: the seat goes first, so that no other request of it shows anything more. Should
// the group not be told, it finds out: the seat is missing.
func (c *Consumer) Remove(ctx context.Context) error {
	if err := c.of.Groups.LeaveSeat(ctx, c.seat); err != nil {
		return err
	}
	if err := c.leave(ctx); err != nil {
		c.of.Log.Info("a consumer has ended, and its group is not told", "group", c.seat.Group, "error", err)
	}
	return nil
}
