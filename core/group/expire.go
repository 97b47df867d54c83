package group

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// groupsPerExpire is how many groups one step looks at.
const groupsPerExpire = 200

// ExpireOffsets is one bounded step of upkeep: it deletes offsets of topics that are gone, offsets that a group
// without members has kept for longer than OffsetsRetention, and groups that have neither members nor offsets. The next call
// goes on where this one ended; more says that it is not yet through. It must not run twice at once.
//
// A group's offsets count from when it lost its last member; those of a group that never had any, from their commit.
func (c *Coordinator) ExpireOffsets(ctx context.Context) (more bool, err error) {
	if err := c.View.Barrier(ctx); err != nil { // a topic that this instance does not know yet is not gone
		return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	topics, err := c.topics()
	if err != nil {
		return false, err
	}
	found, err := c.names(ctx, c.expire)
	if err != nil {
		return false, err
	}
	names := slices.SortedFunc(maps.Keys(found), func(a, b string) int {
		if c.Keys.Group(a) < c.Keys.Group(b) {
			return -1
		}
		return 1
	})
	c.expire = ""
	if len(names) > groupsPerExpire {
		names, more = names[:groupsPerExpire], true
		c.expire = c.Keys.Group(names[len(names)-1])
	}
	for _, name := range names {
		if err := c.expireGroup(ctx, name, topics); err != nil {
			c.Log.Warn("offsets of a group not expired", "group", name, "error", err)
		}
		if ctx.Err() != nil {
			return more, ctx.Err()
		}
	}
	return more, nil
}

// expireGroup looks first, and takes the group's role only when there is something to do.
func (c *Coordinator) expireGroup(ctx context.Context, name string, topics *Catalog) error {
	states, err := c.states(ctx, []string{name})
	if err != nil || states[name] == nil {
		return err
	}
	offsets, err := c.readOffsets(ctx, name)
	if err != nil {
		return err
	}
	if len(c.expired(states[name], offsets, topics)) == 0 && !c.useless(states[name], len(offsets)) {
		return nil
	}
	g, err := c.enter(ctx, name)
	if err != nil {
		return err
	}
	err = c.writeOffsets(ctx, g, c.expired(&g.machine.State, g.offsets, topics))
	if err == nil && g.machine.stored && g.machine.rebalance == nil && len(g.machine.pending) == 0 && c.useless(&g.machine.State, len(g.offsets)) {
		err = c.erase(ctx, g)
	}
	if err != nil {
		c.drop(g)
	}
	if g.dead {
		g.give()
		return err
	}
	return c.leave(ctx, g)
}

// useless says that nothing is left of a group: no members for a retention, and no offsets.
func (c *Coordinator) useless(s *State, topics int) bool {
	return topics == 0 && len(s.Members) == 0 && c.Now().Sub(s.EmptySince) > c.OffsetsRetention
}

// expired gives the topics that lose offsets, as they are then.
func (c *Coordinator) expired(s *State, offsets map[string]*topicOffsets, topics *Catalog) map[string]*topicOffsets {
	out := map[string]*topicOffsets{}
	now := c.Now()
	for name, t := range offsets {
		next := t.clone()
		if _, ok := topics.id(t.id); !ok {
			next.partitions = map[int32]Committed{}
		} else if len(s.Members) == 0 {
			maps.DeleteFunc(next.partitions, func(_ int32, o Committed) bool {
				since := time.UnixMilli(o.AtMs)
				if s.EmptySince.After(since) {
					since = s.EmptySince
				}
				return now.Sub(since) > c.OffsetsRetention
			})
		}
		if len(next.partitions) < len(t.partitions) {
			out[name] = next
		}
	}
	return out
}

// expireEvery is how often RunExpiry goes through all groups.
const expireEvery = 10 * time.Minute

// RunExpiry calls ExpireOffsets again and again until ctx ends.
func (c *Coordinator) RunExpiry(ctx context.Context) error {
	for {
		wait := expireEvery
		if more, err := c.ExpireOffsets(ctx); err == nil && more {
			wait = time.Second
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}
