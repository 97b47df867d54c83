package group

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// cell is one group in this instance's memory, from the moment its role is taken to the moment it is dropped. Only
// who holds its turn touches it, but for shown and commits.
type cell struct {
	name string
	turn chan struct{} // holds one token. Not a mutex: etcd is waited for with it

	dead    bool // dropped: find the next one
	machine *Machine
	format  []byte                   // log/format when the group was read
	mod     coordination.Revision    // of groups/<group>; 0: not there
	offsets map[string]*topicOffsets // by topic; replaced, never changed
	waiting map[Ticket]chan Reply
	last    Ticket

	shown   shown // guarded by Coordinator.mu
	commits struct {
		sync.Mutex
		queue []*pendingCommit
	}
}

// shown is what others may know of a cell without its turn.
type shown struct {
	loaded       bool
	mod          coordination.Revision
	phase        Phase
	kind         Kind
	protocolType string
	stored       bool
	due          time.Time // zero: never
	used         time.Time
	offsets      map[string]*topicOffsets
}

func (g *cell) take(ctx context.Context) bool {
	select {
	case <-g.turn:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *cell) give() { g.turn <- struct{}{} }

func (g *cell) ticket() (Ticket, chan Reply) {
	g.last++
	ch := make(chan Reply, 1)
	g.waiting[g.last] = ch
	return g.last, ch
}

// enter gives a group with its turn, loaded. Every enter needs a leave.
func (c *Coordinator) enter(ctx context.Context, name string) (*cell, error) {
	for {
		if err := c.mine(name); err != nil {
			return nil, err
		}
		g := c.cell(name)
		if !g.take(ctx) {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
		if g.dead {
			g.give()
			continue
		}
		if g.machine == nil {
			if err := c.load(ctx, g); err != nil {
				c.drop(g)
				g.give()
				return nil, err
			}
		}
		return g, nil
	}
}

// cell finds or makes the cell of a group.
func (c *Coordinator) cell(name string) *cell {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.mu.groups[name]
	if g == nil {
		g = &cell{name: name, turn: make(chan struct{}, 1), waiting: map[Ticket]chan Reply{}}
		g.turn <- struct{}{}
		c.mu.groups[name] = g
	}
	return g
}

// leave stores what a step changed, lets its replies go, and gives the turn back.
func (c *Coordinator) leave(ctx context.Context, g *cell) error {
	defer g.give()
	effects := g.machine.Take()
	var err error
	switch {
	case effects.Store:
		err = c.store(ctx, g)
	case effects.Confirm:
		err = c.confirm(ctx, g)
	}
	if err != nil {
		c.drop(g)
		return err
	}
	for _, r := range effects.Replies {
		if ch, ok := g.waiting[r.Ticket]; ok {
			ch <- r
			delete(g.waiting, r.Ticket)
		}
	}
	if g.machine.Vacant() && len(g.waiting) == 0 {
		c.drop(g) // nobody made anything of it
		return nil
	}
	c.show(g)
	return nil
}

// drop forgets a group. Who waits is sent to find the coordinator again.
func (c *Coordinator) drop(g *cell) {
	g.dead = true
	for t, ch := range g.waiting {
		close(ch)
		delete(g.waiting, t)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.groups[g.name] == g {
		delete(c.mu.groups, g.name)
	}
}

// show publishes what others may know, and wakes Run if something is due before it looks again.
func (c *Coordinator) show(g *cell) {
	due, _ := g.machine.Deadline()
	c.mu.Lock()
	defer c.mu.Unlock()
	g.shown = shown{
		loaded: true, mod: g.mod, phase: g.machine.Current(), kind: g.machine.Kind, protocolType: g.machine.ProtocolType,
		stored: g.mod != 0, due: due, used: c.Now(), offsets: g.offsets,
	}
	if !due.IsZero() && due.Before(c.mu.wakeAt) {
		c.mu.wakeAt = due
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// guards hold while nobody else has changed the group and the format is ours.
func (c *Coordinator) guards(g *cell) ([]coordination.Guard, error) {
	format := c.View.FormatValue()
	switch {
	case format == nil:
		return nil, fmt.Errorf("%w: the log has not been read yet", ErrUnavailable)
	case !bytes.Equal(format, g.format): // revisions repeat in another era: what was read in one is compared in no other
		return nil, fmt.Errorf("%w: the cluster was restored since %q was read", ErrUnavailable, g.name)
	}
	guards := []coordination.Guard{coordination.ModIs(c.Keys.Group(g.name), g.mod), coordination.ValueIs(c.Keys.Format(), format)}
	if g.mod == 0 {
		guards[0] = coordination.Missing(c.Keys.Group(g.name))
	}
	return guards, nil
}

// load reads a group and takes the role: every other coordinator's next write fails from here on. Its offsets are
// read after that, so that nobody else changes them (but transactions, against which each write of offsets is guarded).
func (c *Coordinator) load(ctx context.Context, g *cell) error {
	ctx, cancel := c.io(ctx)
	defer cancel()
	key := c.Keys.Group(g.name)
	g.format = c.View.FormatValue()
	snap, err := c.KV.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("%w: read group %q: %w", ErrUnavailable, g.name, err)
	}
	item := snap.Items[0]
	g.mod, g.offsets = item.Mod, map[string]*topicOffsets{}
	if item.Create == 0 {
		g.mod = 0
		g.machine = NewMachine(nil, c.Limits, c.Now())
		g.machine.Coordinator = Coordinates{Node: c.Cluster.Self(), Epoch: 1}
		return nil
	}
	state, err := decodeState(item.Value)
	if err != nil {
		c.Log.Error("group cannot be read", "group", g.name, "error", err)
		return fmt.Errorf("%w: group %q: %w", ErrUnavailable, g.name, err)
	}
	state.Coordinator = Coordinates{Node: c.Cluster.Self(), Epoch: state.Coordinator.Epoch + 1}
	g.machine = NewMachine(state, c.Limits, c.Now())
	if err := c.commitWithin(ctx, g, nil, coordination.PutKey(key, g.machine.encode())); err != nil {
		return err
	}
	g.offsets, err = c.readOffsets(ctx, g.name)
	if err != nil {
		return err
	}
	c.Log.Debug("coordinating group", "group", g.name, "epoch", state.Coordinator.Epoch)
	return nil
}

// store swaps groups/<group>. Any error leaves the group to be dropped.
func (c *Coordinator) store(ctx context.Context, g *cell) error {
	return c.commit(ctx, g, nil, coordination.PutKey(c.Keys.Group(g.name), g.machine.encode()))
}

// confirm is nil while nobody else has changed the group.
func (c *Coordinator) confirm(ctx context.Context, g *cell) error {
	ctx, cancel := c.io(ctx)
	defer cancel()
	snap, err := c.KV.Get(ctx, c.Keys.Group(g.name))
	switch {
	case err != nil:
		return fmt.Errorf("%w: read group %q: %w", ErrUnavailable, g.name, err)
	case snap.Items[0].Create == 0 && g.mod != 0, snap.Items[0].Create != 0 && snap.Items[0].Mod != g.mod:
		return fmt.Errorf("%w: %q was changed by another one", ErrNotCoordinator, g.name)
	}
	return nil
}

// commit makes changes to a group's keys, under its guards and more. It follows the mod revision of the group where that is among
// the keys changed.
func (c *Coordinator) commit(ctx context.Context, g *cell, more []coordination.Guard, changes ...coordination.Change) error {
	ctx, cancel := c.io(ctx)
	defer cancel()
	return c.commitWithin(ctx, g, more, changes...)
}

// commitWithin is commit for who has asked etcd for something already: ctx is of io.
func (c *Coordinator) commitWithin(ctx context.Context, g *cell, more []coordination.Guard, changes ...coordination.Change) error {
	guards, err := c.guards(g)
	if err != nil {
		return err
	}
	res, err := c.KV.Commit(ctx, append(guards, more...), changes)
	switch {
	case errors.Is(err, coordination.ErrTooLarge):
		c.Log.Error("group is too large for etcd", "group", g.name, "error", err)
		return fmt.Errorf("%w: %w", ErrGroupFull, err)
	case err != nil:
		return fmt.Errorf("%w: store group %q: %w", ErrUnavailable, g.name, err)
	case !res.Committed:
		return fmt.Errorf("%w: %q was changed by another one", ErrNotCoordinator, g.name)
	}
	for _, change := range changes {
		switch {
		case change.Key == c.Keys.Group(g.name) && change.Value != nil:
			g.mod, g.machine.stored = res.Revision, true
		default:
			if _, topic, ok := c.Keys.ParseGroup(change.Key); ok && topic != "" && g.offsets[topic] != nil {
				g.offsets[topic].mod = res.Revision
			}
		}
	}
	return nil
}

// readOffsets reads all offsets of a group.
func (c *Coordinator) readOffsets(ctx context.Context, name string) (map[string]*topicOffsets, error) {
	out := map[string]*topicOffsets{}
	r := coordination.Range{Prefix: c.Keys.GroupOffsets(name), Limit: pageKeys}
	for {
		page, err := c.KV.List(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("%w: read offsets of group %q: %w", ErrUnavailable, name, err)
		}
		for _, item := range page.Items {
			_, topic, ok := c.Keys.ParseGroup(item.Key)
			if !ok {
				continue
			}
			t, err := decodeOffsets(item)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
			out[topic] = t
		}
		if !page.More {
			return out, nil
		}
		r.At, r.After = page.Revision, page.Items[len(page.Items)-1].Key
	}
}

// pageKeys is how many keys are read at a time.
const pageKeys = 500

// withOffsets puts new offsets of some topics in the place of the old ones; the map others see does not change.
func (g *cell) withOffsets(changed map[string]*topicOffsets) {
	next := maps.Clone(g.offsets)
	for topic, t := range changed {
		if len(t.partitions) == 0 {
			delete(next, topic)
		} else {
			next[topic] = t
		}
	}
	g.offsets = next
}
