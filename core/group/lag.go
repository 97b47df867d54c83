package group

import (
	"context"
	"maps"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// coldEvery is how often the offsets of groups that are not in memory are read: the lag of a group whose
// consumers are all gone is what one looks for.
const coldEvery = time.Minute

// RunLag keeps what EachLag tells of groups that are not in memory, until ctx ends.
func (c *Coordinator) RunLag(ctx context.Context) error {
	for {
		if err := c.readCold(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("lag of groups that are not in memory is not known anew", "error", err)
		}
		t := time.NewTimer(coldEvery)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// readCold reads the offsets of all groups that this instance would coordinate.
func (c *Coordinator) readCold(ctx context.Context) error {
	cold := map[string]map[string]*topicOffsets{}
	r := coordination.Range{Prefix: c.Keys.Groups(), Limit: pageKeys}
	for {
		page, err := c.KV.List(ctx, r)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			name, topic, ok := c.Keys.ParseGroup(item.Key)
			if !ok || topic == "" || c.mine(name) != nil {
				continue
			}
			t, err := decodeOffsets(item)
			if err != nil {
				return err
			}
			if cold[name] == nil {
				cold[name] = map[string]*topicOffsets{}
			}
			cold[name][topic] = t
		}
		if !page.More {
			break
		}
		r.At, r.After = page.Revision, page.Items[len(page.Items)-1].Key
	}
	c.mu.Lock()
	c.mu.cold = cold
	c.mu.Unlock()
	return nil
}

// EachLag tells, for the groups coordinated here, how far each is behind the end of a topic: the sum over the
// partitions it has committed. end gives the end of a partition, if there is one. What this instance has written itself is told as
// it is now, the rest (groups that are not in memory, offsets of transactions) as it was up to coldEvery ago.
func (c *Coordinator) EachLag(end func(record.TopicPartition) (record.Offset, bool), fn func(group, topic string, lag int64)) {
	all := map[string]map[string]*topicOffsets{}
	c.mu.Lock()
	for name, offsets := range c.mu.cold {
		all[name] = offsets
	}
	for name, g := range c.mu.groups {
		if g.shown.loaded {
			all[name] = newer(g.shown.offsets, c.mu.cold[name])
		}
	}
	c.mu.Unlock()
	for name, offsets := range all {
		if c.mine(name) != nil {
			continue
		}
		for topic, t := range offsets {
			lag, known := int64(0), false
			for n, o := range t.partitions {
				if e, ok := end(record.TopicPartition{Topic: t.id, Partition: n}); ok {
					known = true
					lag += max(int64(e-o.Offset), 0)
				}
			}
			if known {
				fn(name, topic, lag)
			}
		}
	}
}

// newer gives the offsets of each topic that were written last: those of transactions are written past the memory of
// who coordinates the group.
func newer(memory, read map[string]*topicOffsets) map[string]*topicOffsets {
	out := maps.Clone(read)
	for topic, t := range memory {
		if r := read[topic]; r == nil || r.mod <= t.mod {
			if out == nil {
				out = map[string]*topicOffsets{}
			}
			out[topic] = t
		}
	}
	return out
}

// Count is how many groups are in memory.
func (c *Coordinator) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.groups)
}
