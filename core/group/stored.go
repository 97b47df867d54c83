package group

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/firnlog/firnlog/coordination"
)

// What any instance may show of any group: it is read from etcd, and no role is taken. A classic group is shown as Stable
// while its coordinator prepares a rebalance, which is in that one's memory only.

// ListStored gives all groups, by name.
func (c *Coordinator) ListStored(ctx context.Context) ([]Listed, error) {
	if c.View.FormatValue() == nil {
		return nil, ErrUnavailable
	}
	var names []string
	r := coordination.Range{Prefix: c.Keys.Groups(), Limit: pageKeys, KeysOnly: true}
	for {
		page, err := c.KV.List(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("%w: list groups: %w", ErrUnavailable, err)
		}
		for _, item := range page.Items {
			if name, topic, ok := c.Keys.ParseGroup(item.Key); ok && topic == "" {
				names = append(names, name)
			}
		}
		if !page.More {
			break
		}
		r.At, r.After = page.Revision, page.Items[len(page.Items)-1].Key
	}
	slices.Sort(names)
	out := []Listed{}
	for part := range slices.Chunk(names, coordination.OperationsMax) {
		states, err := c.states(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(states)) {
			s := states[name]
			out = append(out, Listed{Group: name, ProtocolType: s.ProtocolType, Phase: s.current(), Kind: s.Kind})
		}
	}
	return out, nil
}

// DescribeStored shows a group; ErrUnknownGroup: there is none.
func (c *Coordinator) DescribeStored(ctx context.Context, name string) (Description, error) {
	if name == "" {
		return Description{}, ErrInvalidGroup
	}
	topics, err := c.topics()
	if err != nil {
		return Description{}, err
	}
	states, err := c.states(ctx, []string{name})
	if err != nil {
		return Description{}, err
	}
	s := states[name]
	if s == nil {
		return Description{}, ErrUnknownGroup
	}
	return s.describe(name, s.current(), topics), nil
}

// OffsetsStored reads what a group has committed, of topics that are there; stable also says what open transactions may replace.
func (c *Coordinator) OffsetsStored(ctx context.Context, name string, stable bool) ([]FetchedTopic, error) {
	if name == "" {
		return nil, ErrInvalidGroup
	}
	var found, unstable map[string]*topicOffsets
	var err error
	if stable {
		found, unstable, err = c.stable(ctx, name)
	} else {
		found, err = c.readOffsets(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	topics, err := c.live(found, unstable)
	if err != nil {
		return nil, err
	}
	var out []FetchedTopic
	for _, t := range topics {
		if o := found[t.Name]; o != nil && o.id == t.ID {
			out = append(out, FetchedTopic{Name: t.Name, ID: t.ID, Partitions: o.partitions})
		}
	}
	return withUnstable(out, topics, unstable), nil
}

// Stored reads the value of groups/<group>.
func Stored(value []byte) (*State, error) { return decodeState(value) }
