package group

import "context"

// HandOver lets go of the groups that this instance is no longer preferred for: who waits is told to look for the next coordinator at
// once, instead of when Run finds out.
func (c *Coordinator) HandOver(ctx context.Context) {
	c.mu.Lock()
	var others []*cell
	for _, g := range c.mu.groups {
		if c.mine(g.name) != nil {
			others = append(others, g)
		}
	}
	c.mu.Unlock()
	c.dropCells(ctx, others, func(*cell) bool { return true })
}
