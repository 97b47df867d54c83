package group

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// FetchRequest asks for committed offsets.
type FetchRequest struct {
	// MemberID and Epoch are those of a KIP-848 member; "" and -1: somebody.
	MemberID string
	Epoch    int32
	// Topics to read; nil: all that the group has offsets of.
	Topics []FetchTopic
	// RequireStable asks not to be shown what an open transaction may still replace.
	RequireStable bool
}

// FetchTopic is one topic of it, which is there.
type FetchTopic struct {
	Name string
	ID   record.TopicID
}

// FetchedTopic is what a group has committed of one topic.
type FetchedTopic struct {
	Name       string
	ID         record.TopicID
	Partitions map[int32]Committed
	Unstable   map[int32]bool // an open transaction may still replace it
}

// Numbers are the partitions with offsets or pending ones, in order.
func (t *FetchedTopic) Numbers() []int32 {
	all := slices.AppendSeq(slices.Collect(maps.Keys(t.Partitions)), maps.Keys(t.Unstable))
	slices.Sort(all)
	return slices.Compact(all)
}

// FetchOffsets reads what a group has committed, in the order of the topics asked for; a topic without offsets is left out.
//
// It reads etcd, never memory: a coordinator that does not know yet that it is one no more would show offsets
// that have been replaced.
func (c *Coordinator) FetchOffsets(ctx context.Context, name string, r FetchRequest) ([]FetchedTopic, error) {
	if err := c.mine(name); err != nil {
		return nil, err
	}
	if r.MemberID != "" || r.Epoch >= 0 {
		var out error
		err := c.step(ctx, name, func(g *cell, _ time.Time, _ *Catalog) { out = g.machine.CheckFetch(r.MemberID, r.Epoch) })
		if err := first(err, out); err != nil {
			return nil, err
		}
	}
	topics := r.Topics
	var found, unstable map[string]*topicOffsets
	var err error
	if r.RequireStable {
		found, unstable, err = c.stable(ctx, name)
	} else {
		found, err = c.committed(ctx, name, topics)
	}
	if err != nil {
		return nil, err
	}
	if topics == nil {
		if topics, err = c.live(found, unstable); err != nil {
			return nil, err
		}
	}
	var out []FetchedTopic
	for _, t := range topics {
		if o := found[t.Name]; o != nil && o.id == t.ID {
			out = append(out, FetchedTopic{Name: t.Name, ID: t.ID, Partitions: o.partitions})
		}
	}
	return withUnstable(out, topics, unstable), nil
}

// committed reads a group's offsets of some topics, or of all.
func (c *Coordinator) committed(ctx context.Context, name string, topics []FetchTopic) (map[string]*topicOffsets, error) {
	if topics == nil || len(topics) > coordination.OperationsMax {
		return c.readOffsets(ctx, name)
	}
	out := map[string]*topicOffsets{}
	if len(topics) == 0 {
		return out, nil
	}
	keys := make([]string, len(topics))
	for i, t := range topics {
		keys[i] = c.Keys.GroupOffset(name, t.Name)
	}
	snap, err := c.KV.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("%w: read offsets of group %q: %w", ErrUnavailable, name, err)
	}
	for i, item := range snap.Items {
		if item.Create == 0 {
			continue
		}
		if out[topics[i].Name], err = decodeOffsets(item); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return out, nil
}

// live are the topics of these offsets that are still there.
func (c *Coordinator) live(found, pending map[string]*topicOffsets) ([]FetchTopic, error) {
	topics, err := c.topics()
	if err != nil {
		return nil, err
	}
	var out []FetchTopic
	names := slices.AppendSeq(slices.Collect(maps.Keys(found)), maps.Keys(pending))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if t, ok := topics.name(name); ok {
			out = append(out, FetchTopic{Name: name, ID: t.ID})
		}
	}
	return out, nil
}
