package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// Listed is a group in a list.
type Listed struct {
	Group, ProtocolType string
	Phase               Phase
	Kind                Kind
}

// List gives the groups that this instance coordinates or would coordinate, by name. Clients ask all instances, and each
// group is named by one.
func (c *Coordinator) List(ctx context.Context) ([]Listed, error) {
	names, err := c.names(ctx, "")
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	out := []Listed{}
	var cold []string
	for name := range names {
		if g := c.mu.groups[name]; g != nil && g.shown.loaded {
			out = append(out, Listed{Group: name, ProtocolType: g.shown.protocolType, Phase: g.shown.phase, Kind: g.shown.kind})
		} else {
			cold = append(cold, name)
		}
	}
	for name, g := range c.mu.groups { // those that have members, but no generation yet
		if _, ok := names[name]; !ok && g.shown.loaded {
			out = append(out, Listed{Group: name, ProtocolType: g.shown.protocolType, Phase: g.shown.phase, Kind: g.shown.kind})
		}
	}
	c.mu.Unlock()
	for part := range slices.Chunk(cold, coordination.OperationsMax) {
		states, err := c.states(ctx, part)
		if err != nil {
			return nil, err
		}
		for name, s := range states {
			out = append(out, Listed{Group: name, ProtocolType: s.ProtocolType, Phase: s.current(), Kind: s.Kind})
		}
	}
	slices.SortFunc(out, func(a, b Listed) int {
		if a.Group < b.Group {
			return -1
		}
		return 1
	})
	return out, nil
}

// names are the groups of this instance that are in etcd after a key.
func (c *Coordinator) names(ctx context.Context, after string) (map[string]struct{}, error) {
	if c.View.FormatValue() == nil {
		return nil, ErrUnavailable
	}
	out := map[string]struct{}{}
	r := coordination.Range{Prefix: c.Keys.Groups(), After: after, Limit: pageKeys, KeysOnly: true}
	for {
		page, err := c.KV.List(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("%w: list groups: %w", ErrUnavailable, err)
		}
		for _, item := range page.Items {
			name, topic, ok := c.Keys.ParseGroup(item.Key)
			if !ok || c.mine(name) != nil {
				continue
			}
			if topic == "" {
				out[name] = struct{}{}
			}
		}
		if !page.More {
			return out, nil
		}
		r.At, r.After = page.Revision, page.Items[len(page.Items)-1].Key
	}
}

// states reads groups that are not in memory; those that are not there are left out.
func (c *Coordinator) states(ctx context.Context, names []string) (map[string]*State, error) {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = c.Keys.Group(name)
	}
	snap, err := c.KV.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("%w: read groups: %w", ErrUnavailable, err)
	}
	out := map[string]*State{}
	for i, item := range snap.Items {
		if item.Create == 0 {
			continue
		}
		s, err := decodeState(item.Value)
		if err != nil {
			c.Log.Warn("group left out of a list", "group", names[i], "error", err)
			continue
		}
		out[names[i]] = s
	}
	return out, nil
}

// Describe shows a group; ErrUnknownGroup: there is none. It takes no role: a group that is not in memory is
// shown as it is stored.
func (c *Coordinator) Describe(ctx context.Context, name string) (d Description, err error) {
	if err := c.mine(name); err != nil {
		return d, err
	}
	topics, err := c.topics()
	if err != nil {
		return d, err
	}
	c.mu.Lock()
	warm := c.mu.groups[name] != nil
	c.mu.Unlock()
	if warm {
		exists := false
		err = c.step(ctx, name, func(g *cell, _ time.Time, topics *Catalog) {
			exists = !g.machine.Vacant()
			d = g.machine.describe(name, g.machine.Current(), topics)
		})
		if err == nil && !exists {
			err = ErrUnknownGroup
		}
		return d, err
	}
	states, err := c.states(ctx, []string{name})
	if err != nil {
		return d, err
	}
	s := states[name]
	if s == nil {
		return d, ErrUnknownGroup
	}
	return s.describe(name, s.current(), topics), nil
}

// Delete deletes a group without members, with its offsets.
func (c *Coordinator) Delete(ctx context.Context, name string) error {
	for try := range triesMax {
		g, err := c.enter(ctx, name)
		if err != nil {
			return err
		}
		switch {
		case g.machine.Vacant() && try > 0:
		case g.machine.Vacant():
			err = ErrUnknownGroup
		case len(g.machine.Members) > 0 || g.machine.rebalance != nil:
			err = ErrNotEmpty
		default:
			err = c.erase(ctx, g)
		}
		if g.dead {
			g.give()
		} else {
			_ = c.leave(ctx, g) // nothing was changed
		}
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		// Its outcome is unknown: what is there when the role is taken anew decides.
	}
	return ErrUnavailable
}

// erase removes a group from etcd and from memory.
func (c *Coordinator) erase(ctx context.Context, g *cell) error {
	err := c.commit(ctx, g, nil, coordination.DeleteKey(c.Keys.Group(g.name)), coordination.DeletePrefix(c.Keys.GroupBelow(g.name)))
	c.drop(g)
	return err
}

// DeleteOffsets deletes committed offsets. The error of each topic is in the order of topics.
func (c *Coordinator) DeleteOffsets(ctx context.Context, name string, topics []CommitTopic) ([]error, error) {
	errs := make([]error, len(topics))
	catalog, err := c.topics()
	if err != nil {
		return nil, err
	}
	g, err := c.enter(ctx, name)
	if err != nil {
		return nil, err
	}
	switch {
	case g.machine.Vacant():
		_ = c.leave(ctx, g)
		return nil, ErrUnknownGroup
	case len(g.machine.Members) > 0 && g.machine.Kind == Classic && g.machine.ProtocolType != consumerType:
		_ = c.leave(ctx, g)
		return nil, ErrNotEmpty
	}
	changed := map[string]*topicOffsets{}
	for i, t := range topics {
		old := g.offsets[t.Name]
		switch {
		case g.machine.Subscribed(t.ID, catalog):
			errs[i] = ErrSubscribed
		case old != nil:
			next := old.clone()
			maps.DeleteFunc(next.partitions, func(n int32, _ Committed) bool { _, ok := t.Partitions[n]; return ok })
			changed[t.Name] = next
		}
	}
	if err := c.writeOffsets(ctx, g, changed); err != nil {
		c.drop(g)
		g.give()
		return nil, err
	}
	return errs, c.leave(ctx, g)
}
