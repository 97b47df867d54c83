package consume

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
)

// Committed are the group's offsets, without what an open transaction may still replace.
func (c *Consumer) Committed(ctx context.Context) (map[record.TopicPartition]group.Committed, error) {
	topics, err := c.of.Groups.OffsetsStored(ctx, c.seat.Group, true)
	if err != nil {
		return nil, err
	}
	out := map[record.TopicPartition]group.Committed{}
	for _, t := range topics {
		for n, o := range t.Partitions {
			if t.Unstable[n] {
				return nil, fmt.Errorf("%w: a transaction is about to commit offsets of %s", group.ErrUnavailable, t.Name)
			}
			out[record.TopicPartition{Topic: t.ID, Partition: n}] = o
		}
	}
	return out, nil
}

// CommitPlaces commits positions. Those of a consumer that chose its partitions by hand are by nobody's member.
func (c *Consumer) CommitPlaces(ctx context.Context, places []Place) error {
	offsets := map[record.TopicPartition]group.Committed{}
	names := map[record.TopicID]string{}
	for _, p := range places {
		offsets[p.Name()] = group.Committed{Offset: p.Position, LeaderEpoch: -1}
		names[p.ID] = p.Topic
	}
	if err := c.Commit(ctx, offsets, names); err != nil {
		return err
	}
	for i := range places {
		places[i].Moved = false
	}
	return nil
}

// Commit commits offsets; names are those of their topics. group.ErrStaleEpoch: the group has moved on; after Settle, what the
// consumer still has may be committed.
func (c *Consumer) Commit(ctx context.Context, offsets map[record.TopicPartition]group.Committed, names map[record.TopicID]string) error {
	if len(offsets) == 0 {
		return nil
	}
	r := group.CommitRequest{CommitCheck: group.CommitCheck{Generation: -1, NewErrors: true}}
	if c.Epoch > 0 {
		r.MemberID, r.Generation = c.seat.Member, c.Epoch
	}
	byTopic := map[record.TopicID]map[int32]group.Committed{}
	for tp, o := range offsets {
		if byTopic[tp.Topic] == nil {
			byTopic[tp.Topic] = map[int32]group.Committed{}
		}
		byTopic[tp.Topic][tp.Partition] = o
	}
	for _, id := range slices.SortedFunc(maps.Keys(byTopic), func(a, b record.TopicID) int { return slices.Compare(a[:], b[:]) }) {
		r.Topics = append(r.Topics, group.CommitTopic{Name: names[id], ID: id, Partitions: byTopic[id]})
	}
	return c.of.Groups.CommitOffsets(ctx, c.seat.Group, r)
}

// CommitMoved commits the positions of a consumer that commits by itself, where they have moved.
func (c *Consumer) CommitMoved(ctx context.Context) error {
	if !c.AutoCommit {
		return nil
	}
	var moved []Place
	for _, p := range c.Places {
		if p.Moved {
			moved = append(moved, p)
		}
	}
	if err := c.CommitPlaces(ctx, moved); err != nil {
		return err
	}
	for i := range c.Places {
		c.Places[i].Moved = false
	}
	return nil
}

// CommitInTime commits what earlier answers held, where it is time. What goes wrong is tried again with the next request.
func (c *Consumer) CommitInTime(ctx context.Context) {
	now := c.of.Now().UnixMilli()
	if now-c.CommittedMs < c.of.AutoCommitEvery.Milliseconds() {
		return
	}
	if err := c.CommitMoved(ctx); err != nil {
		c.of.Log.Debug("positions are not committed", "group", c.seat.Group, "error", err)
		return
	}
	c.CommittedMs = now
}
