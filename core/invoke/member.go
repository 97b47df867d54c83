package invoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
)

// Subscription is what a Member reads.
type Subscription struct {
	Topics  []string
	Pattern string // a regular expression of topics instead
	// Reset is where a partition without a committed offset begins: consume.Earliest, Latest, NoReset.
	Reset string
	// Life is how long the member stays in its group after its last step: longer than what lies between two.
	Life time.Duration
}

// Member is a consumer of a group for the time of an invocation:
//
//	Join     its seat is found or made; it takes part in the group, and goes on from what the group has committed
//	Poll     its partitions' records, from its positions on. Nothing moves
//	Commit   what was dealt with: positions move, in the group and in its seat
//	Leave    others may have its partitions at once. Without it the member stays, and the next Join goes on as the same one
//
// Who dies between Poll and Commit reads the same records again: at least once. Of two invocations with one member at the same time the
// slower one is told group.ErrSeatChanged by Poll or Commit; who runs several gives them several names.
type Member struct {
	consumer *consume.Consumer
}

// Join begins after Begin or BeginGroup of an invocation, with the context that it gave. The latter saves a read.
func (e *Environment) Join(ctx context.Context, name, member string, s Subscription) (*Member, error) {
	c, err := e.Consumers.Find(ctx, name, member)
	if errors.Is(err, group.ErrSeatGone) {
		c, err = e.Consumers.Take(ctx, name, member, consume.State{BytesMin: 1, TTLMs: s.Life.Milliseconds()})
	}
	if err != nil {
		return nil, fmt.Errorf("join group %q: %w", name, err)
	}
	c.Client, c.Host = "function", "/function"
	c.Reset, c.Names, c.Pattern = s.Reset, s.Topics, s.Pattern
	m := &Member{c}
	if err := c.Settle(ctx); err != nil {
		return nil, fmt.Errorf("join group %q: %w", name, err)
	}
	if err := c.Resume(ctx); err != nil { // an earlier invocation may have died between its commit and its seat
		return nil, fmt.Errorf("join group %q: %w", name, err)
	}
	return m, c.Store(ctx)
}

// Poll waits until there are records in the member's partitions, or for so long. consume.Walk goes through what was read of each. The
// member has these partitions when it returns nil; an error of a partition is in its Result.
func (m *Member) Poll(ctx context.Context, bytesMax int, wait time.Duration) ([]consume.Fetched, error) {
	until := time.Now().Add(wait)
	if err := m.consumer.SettleUntil(ctx, until); err != nil {
		return nil, err
	}
	if len(m.consumer.Places) == 0 {
		return nil, m.consumer.Keep(ctx)
	}
	out := m.consumer.Fetch(ctx, bytesMax, time.Until(until))
	m.consumer.Turned()
	return out, m.consumer.Store(ctx)
}

// Reset sets the position of a partition that is out of range to where the subscription says: at Commit.
func (m *Member) Reset(ctx context.Context, f consume.Fetched) error {
	_, err := m.consumer.Advance(ctx, f, func(_ fetch.Result, at record.Offset) (record.Offset, error) { return at, nil })
	return err
}

// Commit says how far partitions were dealt with: next is the offset to go on from. group.ErrStaleEpoch, ErrFencedEpoch,
// ErrUnknownMember: the group has moved on, and others may deal with the same records.
func (m *Member) Commit(ctx context.Context, next map[record.TopicPartition]record.Offset) error {
	var moved []consume.Place
	for i := range m.consumer.Places {
		p := &m.consumer.Places[i]
		if at, has := next[p.Name()]; has {
			p.Position = at
			moved = append(moved, *p)
		}
	}
	if err := m.consumer.CommitPlaces(ctx, moved); err != nil {
		return fmt.Errorf("commit offsets of group %q: %w", m.consumer.Group(), err)
	}
	return m.consumer.Keep(ctx)
}

// Leave takes the member out of its group.
func (m *Member) Leave(ctx context.Context) error { return m.consumer.Remove(ctx) }

// Places are the partitions that the member has, with its positions.
func (m *Member) Places() []consume.Place { return m.consumer.Places }
