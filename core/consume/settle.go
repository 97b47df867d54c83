package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
)

// How a consumer takes part in its group: a heartbeat says what it wants and has, and tells what it shall have. What it has to give up it
// gives up at once, since it holds nothing between requests:
//
//  1. commit, where it commits by itself;
//  2. drop the places, and store the seat: no request that still reads them can show anything from here on;
//  3. say so with the next heartbeat. Then others may have them, and it may be given more.

// roundsMax is how many heartbeats one request sends: join, give up, receive, and one more.
const roundsMax = 4

// Settle brings the consumer up to what its group has for it.
func (c *Consumer) Settle(ctx context.Context) error {
	for range roundsMax {
		assigned, err := c.heartbeat(ctx)
		switch {
		case c.Epoch != 0 && (errors.Is(err, group.ErrFencedEpoch) || errors.Is(err, group.ErrUnknownMember)):
			c.Epoch, c.Places = 0, nil // others have its partitions: it may not commit any more
			if err := c.Keep(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		kept, lost := c.hold(split(c.Places, assigned))
		if len(lost) == 0 {
			return c.receive(ctx, assigned)
		}
		if c.AutoCommit {
			if err := c.CommitPlaces(ctx, lost); err != nil {
				c.of.Log.Info("positions of partitions given up are not committed", "group", c.seat.Group, "error", err)
			}
		}
		c.Places = kept
		if err := c.Keep(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hold keeps places that are to go, as long as Held names them: the consumer says that it has them, and so nobody else gets them.
func (c *Consumer) hold(kept, lost []Place) (stay, gone []Place) {
	c.leaving = map[record.TopicPartition]bool{}
	for _, p := range lost {
		if c.Held != nil && c.Held(p.Name()) {
			c.leaving[p.Name()] = true
			kept = append(kept, p)
		} else {
			gone = append(gone, p)
		}
	}
	return kept, gone
}

// Leaving says that the group waits for a place that is held.
func (c *Consumer) Leaving(tp record.TopicPartition) bool { return c.leaving[tp] }

// split sorts places into those that stay and those that go.
func split(places []Place, assigned group.Partitions) (kept, lost []Place) {
	for _, p := range places {
		if slices.Contains(assigned[p.ID], p.Partition) {
			kept = append(kept, p)
		} else {
			lost = append(lost, p)
		}
	}
	return kept, lost
}

// settleEvery is how often a consumer without partitions asks for some while its client waits.
const settleEvery = 250 * time.Millisecond

// SettleUntil settles, and waits for a first partition.
func (c *Consumer) SettleUntil(ctx context.Context, until time.Time) error {
	if c.Manual {
		return nil
	}
	for {
		if err := c.Settle(ctx); err != nil || len(c.Places) > 0 {
			return err
		}
		left := min(time.Until(until), settleEvery)
		if left <= 0 {
			return nil
		}
		if err := pause.For(ctx, left); err != nil {
			return err
		}
	}
}

// heartbeat says all about the member, so its answer does too.
func (c *Consumer) heartbeat(ctx context.Context) (group.Partitions, error) {
	names := c.Names
	if names == nil {
		names = []string{}
	}
	res, err := c.of.Groups.ConsumerHeartbeat(ctx, c.seat.Group, group.ConsumerRequest{
		MemberID: c.seat.Member, Client: c.Client, Host: c.Host, Epoch: c.Epoch,
		RebalanceMs: int32(c.of.RebalanceTimeout.Milliseconds()), Names: names, Regex: &c.Pattern, Owned: c.owned(),
	})
	if err != nil {
		return nil, err
	}
	c.Epoch = res.Epoch
	if res.Assignment == nil {
		return c.owned(), nil
	}
	return *res.Assignment, nil
}

// Leave takes the consumer out of its group; its places are out of its seat before others may have them.
func (c *Consumer) Leave(ctx context.Context) error {
	c.Places = nil
	if err := c.Keep(ctx); err != nil {
		return err
	}
	return c.leave(ctx)
}

func (c *Consumer) leave(ctx context.Context) error {
	if c.Epoch == 0 {
		return nil
	}
	const leaves = -1
	_, err := c.of.Groups.ConsumerHeartbeat(ctx, c.seat.Group, group.ConsumerRequest{
		MemberID: c.seat.Member, Client: c.Client, Host: c.Host, Epoch: leaves, RebalanceMs: -1,
	})
	if errors.Is(err, group.ErrUnknownMember) {
		err = nil
	}
	if err == nil {
		c.Epoch, c.Places = 0, nil
	}
	return err
}

// receive makes places of partitions that are new.
func (c *Consumer) receive(ctx context.Context, assigned group.Partitions) error {
	have := c.owned()
	var added []Place
	for _, id := range assigned.Topics() {
		t, found := c.of.Topics.TopicByID(id)
		if !found {
			if err := c.of.Topics.Barrier(ctx); err != nil {
				return fmt.Errorf("%w: %w", group.ErrUnavailable, err)
			}
			if t, found = c.of.Topics.TopicByID(id); !found {
				continue // it was deleted
			}
		}
		if c.Pattern != "" && c.of.May != nil && !c.of.May(ctx, t.Name) {
			continue
		}
		for _, n := range assigned[id] {
			if !slices.Contains(have[id], n) {
				added = append(added, Place{Topic: t.Name, ID: id, Partition: n})
			}
		}
	}
	if len(added) == 0 {
		return nil
	}
	if err := c.Begins(ctx, added); err != nil {
		return err
	}
	c.Places = append(c.Places, added...)
	return nil
}

// Begins sets where places begin: at what the group has committed, else as the consumer's reset says.
func (c *Consumer) Begins(ctx context.Context, places []Place) error {
	committed, err := c.Committed(ctx)
	if err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(boundsAtOnce)
	for i := range places {
		p := &places[i]
		if o, has := committed[p.Name()]; has {
			p.Position = o.Offset
			continue
		}
		work.Go(func() (err error) {
			p.Position, err = c.resets(ctx, p.Name())
			return err
		})
	}
	return work.Wait()
}

// boundsAtOnce is of how many partitions the ends are asked for at a time: one barrier serves them all.
const boundsAtOnce = 64

// Resume sets places to what the group has committed, where it has: for consumers whose positions count from their commits.
func (c *Consumer) Resume(ctx context.Context) error {
	committed, err := c.Committed(ctx)
	if err != nil {
		return err
	}
	for i := range c.Places {
		if o, has := committed[c.Places[i].Name()]; has {
			c.Places[i].Position = o.Offset
		}
	}
	return nil
}

// resets is where a partition without an offset begins.
func (c *Consumer) resets(ctx context.Context, tp record.TopicPartition) (record.Offset, error) {
	b, err := c.of.Reader.Bounds(ctx, tp)
	switch {
	case errors.Is(err, fetch.ErrUnknownPartition):
		return 0, nil // deleted meanwhile; the group will take it away
	case err != nil:
		return 0, err
	case c.Reset == Earliest:
		return b.LogStart, nil
	case c.Reset == Latest:
		return b.HighWatermark, nil
	}
	return 0, ErrNoOffset
}
