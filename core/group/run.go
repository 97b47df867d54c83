package group

import (
	"context"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// How often Run looks after what nobody tells it.
const (
	beatEvery   = time.Second
	verifyEvery = 3 * time.Second
	// A beat that is this late says that the process stood still: no heartbeat could be heard meanwhile.
	pauseMin = 3 * time.Second
	// A group without members that nobody asked for is dropped from memory.
	idleMax = 5 * time.Minute
)

// Run does what is due by time, until ctx ends: sessions and rebalances run out, groups that others coordinate are dropped. At
// its end all groups are dropped, and who waits is sent to find the next coordinator.
func (c *Coordinator) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer func() {
		work.Wait()
		ctx, cancel := c.io(ctx)
		defer cancel()
		c.dropAll(ctx)
	}()
	beat, verified := c.Now(), c.Now()
	verifying := make(chan struct{}, 1)
	verifying <- struct{}{}
	for {
		now := c.Now()
		if now.Sub(beat) > beatEvery+pauseMin {
			c.Log.Warn("this instance stood still; all sessions begin anew", "for", now.Sub(beat))
			c.each(ctx, func(*shown) bool { return true }, func(g *cell) { g.machine.RestartSessions(c.Now()) })
		}
		beat = now
		due := func(s *shown) bool { return s.loaded && !s.due.IsZero() && !s.due.After(now) }
		for _, g := range c.cells(due) {
			work.Go(func() { c.tick(ctx, g, now) })
		}
		select {
		case <-verifying:
			if now.Sub(verified) < verifyEvery {
				verifying <- struct{}{}
				break
			}
			verified = now
			work.Go(func() {
				c.verify(ctx)
				c.repeatFarewells(ctx, now)
				verifying <- struct{}{}
			})
		default: // the last one still runs
		}
		if err := c.sleep(ctx, now); err != nil {
			return err
		}
	}
}

// sleep waits until something is due, and for beatEvery at most.
func (c *Coordinator) sleep(ctx context.Context, now time.Time) error {
	until := now.Add(beatEvery)
	c.mu.Lock()
	for _, g := range c.mu.groups {
		if due := g.shown.due; g.shown.loaded && due.After(now) && due.Before(until) {
			until = due
		}
	}
	c.mu.wakeAt = until
	c.mu.Unlock()
	t := time.NewTimer(until.Sub(now))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.wake:
	case <-t.C:
	}
	return nil
}

// cells lists groups in memory.
func (c *Coordinator) cells(which func(*shown) bool) (out []*cell) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.mu.groups {
		if which(&g.shown) {
			out = append(out, g)
		}
	}
	return out
}

// each runs fn with the turn of groups in memory, and stores what it changed.
func (c *Coordinator) each(ctx context.Context, which func(*shown) bool, fn func(*cell)) {
	for _, g := range c.cells(which) {
		if !g.take(ctx) {
			return
		}
		if g.dead || g.machine == nil {
			g.give()
			continue
		}
		fn(g)
		if g.dead {
			g.give()
			continue
		}
		_ = c.leave(ctx, g) // its error has dropped the group
	}
}

// tick does what is due in one group at now, when Run looked: if the process stood still since then, nothing more is.
func (c *Coordinator) tick(ctx context.Context, g *cell, now time.Time) {
	topics, err := c.recent()
	if err != nil || !g.take(ctx) {
		return
	}
	if g.dead || g.machine == nil {
		g.give()
		return
	}
	if err := c.hearLeased(ctx, g, now); err != nil {
		g.give() // etcd is away: sessions go on
		return
	}
	g.machine.Tick(now, topics)
	if err := c.leave(ctx, g); err != nil {
		c.Log.Info("group dropped", "group", g.name, "cause", err)
	}
}

// verify drops groups that this instance is not preferred for any more, that another one has taken, and that nobody needs in
// memory. Without it a coordinator that nobody told would go on to answer heartbeats.
func (c *Coordinator) verify(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ioTimeout)
	defer cancel()
	now := c.Now()
	c.mu.Lock()
	var stale []*cell
	var held []*cell
	var keys []string
	for _, g := range c.mu.groups {
		switch s := g.shown; {
		case !s.loaded:
		case c.mine(g.name) != nil, s.phase == Empty && s.due.IsZero() && now.Sub(s.used) > idleMax:
			stale = append(stale, g)
		case s.stored:
			held, keys = append(held, g), append(keys, c.Keys.Group(g.name))
		}
	}
	c.mu.Unlock()
	c.dropCells(ctx, stale, func(*cell) bool { return true })
	for len(keys) > 0 {
		n := min(len(keys), coordination.OperationsMax)
		snap, err := c.KV.Get(ctx, keys[:n]...)
		if err != nil {
			return // etcd is away: writes will fail, and sessions go on
		}
		for i, item := range snap.Items {
			c.dropCells(ctx, held[i:i+1], func(g *cell) bool { return g.mod < item.Mod || item.Create == 0 && g.mod <= snap.Revision })
		}
		keys, held = keys[n:], held[n:]
	}
}

// dropCells drops those groups for which test says so once their turn is ours.
func (c *Coordinator) dropCells(ctx context.Context, cells []*cell, test func(*cell) bool) {
	for _, g := range cells {
		if !g.take(ctx) {
			return
		}
		if !g.dead && test(g) {
			c.Log.Debug("group dropped from memory", "group", g.name)
			c.drop(g)
		}
		g.give()
	}
}

func (c *Coordinator) dropAll(ctx context.Context) {
	c.dropCells(ctx, c.cells(func(*shown) bool { return true }), func(*cell) bool { return true })
}
