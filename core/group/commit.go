package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// CommitRequest is an OffsetCommit: the topics are there, and so are their partitions.
type CommitRequest struct {
	CommitCheck
	Topics []CommitTopic
}

// CommitTopic is one topic of it.
type CommitTopic struct {
	Name       string
	ID         record.TopicID
	Partitions map[int32]Committed // AtMs is set here
}

// pendingCommit waits for its turn, or for somebody who has it.
type pendingCommit struct {
	ctx     context.Context
	request CommitRequest
	done    chan struct{}
	err     error
}

// CommitOffsets commits. Commits that come while another one is being written are gathered, and written together by
// whoever gets the turn next.
//
// How a commit is kept from going backwards: they are applied in the order in which they came; each write compares the mod
// revisions of the group and of every key of offsets that it replaces; and a write of unknown outcome is followed, before
// any other, by reading the group anew, which changes its mod revision. So that write lands before the reading and is seen
// by it, or never. Whose client is gone is not written again.
func (c *Coordinator) CommitOffsets(ctx context.Context, name string, r CommitRequest) error {
	p := &pendingCommit{ctx: ctx, request: r, done: make(chan struct{})}
	for {
		if err := c.mine(name); err != nil {
			return err
		}
		g := c.cell(name)
		g.enqueue(p)
		select {
		case <-p.done:
			return p.err
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		case <-g.turn:
		}
		if g.dead {
			queue := g.dequeue()
			g.give()
			if !slices.Contains(queue, p) && p.isDone() {
				return p.err
			}
			for _, other := range queue { // they asked the coordinator that is no more
				if other != p {
					other.finish(ErrNotCoordinator)
				}
			}
			continue
		}
		c.writeQueue(ctx, g)
		if p.isDone() {
			return p.err
		}
	}
}

func (g *cell) enqueue(p *pendingCommit) {
	g.commits.Lock()
	defer g.commits.Unlock()
	if !slices.Contains(g.commits.queue, p) {
		g.commits.queue = append(g.commits.queue, p)
	}
}

func (g *cell) dequeue() []*pendingCommit {
	g.commits.Lock()
	defer g.commits.Unlock()
	queue := g.commits.queue
	g.commits.queue = nil
	return queue
}

func (p *pendingCommit) finish(err error) {
	p.err = err
	close(p.done)
}

func (p *pendingCommit) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// triesMax is how often commits are begun anew when the group has changed below them.
const triesMax = 3

// writeQueue writes all commits that wait. The caller holds the turn and loses it.
func (c *Coordinator) writeQueue(ctx context.Context, g *cell) {
	queue := g.dequeue()
	var err error
	for range triesMax {
		if queue = abandon(queue); len(queue) == 0 {
			break
		}
		if g.machine == nil {
			if err = c.load(ctx, g); err != nil {
				g.machine = nil
				continue
			}
			// Only now, with the group ours again, is it certain that a client that waits has not committed more through
			// another coordinator meanwhile: reading may have taken longer than its patience.
			if queue = abandon(queue); len(queue) == 0 {
				break
			}
		}
		var changed map[string]*topicOffsets
		queue, changed = c.merge(g, queue)
		if err = c.writeOffsets(ctx, g, changed); err == nil {
			for _, p := range queue {
				p.finish(nil)
			}
			break
		}
		if !errors.Is(err, ErrNotCoordinator) && !errors.Is(err, ErrUnavailable) || c.mine(g.name) != nil {
			break
		}
		if !c.refresh(ctx, g, err) {
			g.forget() // read it anew, with the turn still ours
		}
	}
	if err != nil || g.machine == nil {
		for _, p := range queue {
			p.finish(first(err, ErrNotCoordinator))
		}
		c.drop(g)
		g.give()
		return
	}
	_ = c.leave(ctx, g)
}

// abandon finishes the commits whose clients are gone, and gives the others.
func abandon(queue []*pendingCommit) []*pendingCommit {
	return slices.DeleteFunc(queue, func(p *pendingCommit) bool {
		if p.ctx.Err() != nil {
			p.finish(ErrAbandoned)
			return true
		}
		return false
	})
}

// refresh reads the offsets anew after a refusal, if it was for their sake alone: a transaction has changed
// them, and the group is still ours.
func (c *Coordinator) refresh(ctx context.Context, g *cell, refused error) bool {
	ctx, cancel := c.io(ctx)
	defer cancel()
	if !errors.Is(refused, ErrNotCoordinator) {
		return false
	}
	snap, err := c.KV.Get(ctx, c.Keys.Group(g.name))
	if err != nil || snap.Items[0].Mod != g.mod {
		return false
	}
	offsets, err := c.readOffsets(ctx, g.name)
	if err == nil {
		g.offsets = offsets
	}
	return err == nil
}

// forget drops what is in memory of a group, but not its cell.
func (g *cell) forget() {
	g.machine = nil
	for t, ch := range g.waiting {
		close(ch)
		delete(g.waiting, t)
	}
}

// merge checks commits against the group as it is now, finishes those that may not, and gives the others with the
// offsets that they make together.
func (c *Coordinator) merge(g *cell, queue []*pendingCommit) (passed []*pendingCommit, changed map[string]*topicOffsets) {
	now := c.Now()
	changed = map[string]*topicOffsets{}
	for _, p := range queue {
		if err := g.machine.CheckCommit(p.request.CommitCheck); err != nil {
			p.finish(err)
			continue
		}
		if member := g.machine.Members[p.request.MemberID]; member != nil {
			g.machine.heard(now, member)
		}
		passed = append(passed, p)
		g.gather(changed, p.request.Topics, now)
	}
	return passed, changed
}

// One transaction holds this many topics at most, and about this many bytes.
const (
	topicsPerCommit = 50
	bytesPerCommit  = 512 << 10
)

// writeOffsets writes offsets of some topics: those without partitions go. Where the group is not stored yet, it
// is with the first of them.
func (c *Coordinator) writeOffsets(ctx context.Context, g *cell, changed map[string]*topicOffsets) error {
	names := slices.Sorted(maps.Keys(changed))
	for len(names) > 0 {
		var guards []coordination.Guard
		var changes []coordination.Change
		part := map[string]*topicOffsets{}
		size := 0
		for len(names) > 0 && len(part) < topicsPerCommit && size < bytesPerCommit {
			name, t := names[0], changed[names[0]]
			names = names[1:]
			key := c.Keys.GroupOffset(g.name, name)
			guards = append(guards, coordination.ModIs(key, t.mod))
			if len(t.partitions) == 0 {
				changes = append(changes, coordination.DeleteKey(key))
			} else {
				changes = append(changes, coordination.PutKey(key, t.encode()))
				size += len(changes[len(changes)-1].Value)
			}
			part[name] = t
		}
		if g.mod == 0 {
			changes = append(changes, coordination.PutKey(c.Keys.Group(g.name), g.machine.encode()))
		}
		before := g.offsets
		g.withOffsets(part)
		if err := c.commit(ctx, g, guards, changes...); err != nil {
			g.offsets = before
			return err
		}
	}
	return nil
}
