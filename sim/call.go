package sim

import (
	"context"
	"strings"
	"time"
)

// call is one request of an instance to the KV or the store on its way. Every call
// travels there and back for a time of its own; its effect happens in between, at
// an instant that no other effect shares.
type call struct {
	in      *instance
	op, key string
	start   time.Time
	dice    dice
}

// counted names a call for its dice: the n-th of this kind by this life of this instance.
type counted struct {
	who, life int
	op, key   string
}

func (in *instance) begin(op, key string) *call {
	c := &call{in: in, op: op, key: key, start: time.Now()}
	c.dice = throw(in.w.seed, op, in.number*1000+in.life, in.w.count(counted{in.number, in.life, op, key}), key)
	in.gate(&c.dice)
	return c
}

func (c *call) end(result string) {
	c.in.w.transcript.note(c.start, c.in.number, c.op, c.key, result)
}

func (c *call) chance(p float64) bool { return !c.in.w.quiet.Load() && c.dice.chance(p) }

// latency of one way.
func (c *call) latency(least, most time.Duration) time.Duration {
	if c.chance(c.in.w.Faults.Slow) {
		c.in.w.fault("slow")
		least, most = 50*least, 1000*least
		if c.dice.chance(.05) {
			most = 7 * time.Second // longer than any time-out
		}
	}
	return c.dice.between(least, most)
}

// later lets an effect happen a long time from now.
func (c *call) later(effect func()) {
	time.AfterFunc(c.dice.between(time.Millisecond, c.in.w.Faults.LateMax), effect)
}

// back brings an answer home: false when it is lost, since the instance was frozen too long, is
// gone, or has lost its connection.
func (c *call) back(ctx context.Context, d time.Duration) bool {
	if !wait(ctx, d) {
		return false
	}
	often, most := c.in.w.Faults.PauseAfter, c.in.w.PauseMax
	if strings.HasSuffix(c.key, "log/floor") || strings.HasPrefix(c.key, "log/floor,") && strings.Contains(c.key, "/heads/") {
		// between looking at the floor, or at what is to be swapped, and what follows: sweep may pass by
		often, most = 15*often, 3*most
	}
	if c.chance(often) {
		c.in.pause(c.dice.between(100*time.Millisecond, most))
	}
	if c.chance(c.in.w.Faults.KillAfter) && len(c.in.w.all()) > 1 {
		c.in.w.killed(c.in.w.ctx, c.in, &c.dice, 0)
	}
	c.in.gate(&c.dice)
	return ctx.Err() == nil && !c.in.isDead()
}

// wait sleeps unless ctx ends.
func wait(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
