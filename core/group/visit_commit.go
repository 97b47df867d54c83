package group

import (
	"context"
	"maps"
	"time"
)

// CommitOffsets commits for a member, or (generation -1) for somebody: it compares the revisions of the group and of each key
// that it replaces, and of those refused decides again.
func (v *Visitor) CommitOffsets(ctx context.Context, name string, r CommitRequest) error {
	return v.repeat(ctx, name, r.MemberID, func(ctx context.Context, s *Sight) error {
		g, err := v.cellOf(s)
		if err != nil {
			return err
		}
		if err := v.checkCommit(ctx, g, s, r.CommitCheck); err != nil {
			return err
		}
		topics := make([]FetchTopic, len(r.Topics))
		for i, t := range r.Topics {
			topics[i] = FetchTopic{Name: t.Name, ID: t.ID}
		}
		if g.offsets, err = v.committed(ctx, name, topics); err != nil {
			return err
		}
		changed := map[string]*topicOffsets{}
		g.gather(changed, r.Topics, v.Now())
		return v.writeOffsets(ctx, g, changed)
	})
}

// checkCommit says whether offsets may be committed. Where they may not, members that do not live may be the cause, and no heartbeat
// of another member may ever come to put them out.
func (v *Visitor) checkCommit(ctx context.Context, g *cell, s *Sight, r CommitCheck) error {
	refused := g.machine.CheckCommit(r)
	if refused == nil || s.State == nil {
		return refused
	}
	topics, err := v.catalog(ctx, s, &ConsumerRequest{})
	if err != nil {
		return err
	}
	v.Spend()
	out := g.machine.putOut(v.Now(), v.absent(s), r.MemberID, topics)
	if err := v.settle(ctx, g, s, out); err != nil || len(out) == 0 {
		return first(err, refused)
	}
	return g.machine.CheckCommit(r)
}

// gather adds commits of some topics to those that are there.
func (g *cell) gather(changed map[string]*topicOffsets, topics []CommitTopic, now time.Time) {
	for _, t := range topics {
		into := changed[t.Name]
		if into == nil {
			into = &topicOffsets{id: t.ID, partitions: map[int32]Committed{}}
			if old := g.offsets[t.Name]; old != nil {
				into.mod = old.mod
				if old.id == t.ID {
					into.partitions = maps.Clone(old.partitions)
				}
			}
			changed[t.Name] = into
		}
		for n, o := range t.Partitions {
			o.AtMs = now.UnixMilli()
			into.partitions[n] = o
		}
	}
}
