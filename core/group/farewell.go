package group

import (
	"context"
	"errors"
	"time"
)

// A member of KIP-848 says once that it leaves: a consumer that closes does not repeat what it was told to send again. If that could not
// be stored, since etcd was away or full, its partitions would be nobody's until its session (45 s) has run out. So the coordinator
// remembers it, and repeats it until it is stored, the member is heard of again, or the session would have run out anyway.
//
// A repeated leave may put out a member that meanwhile left through another coordinator and came back under the same id, if that
// one lost the group again: such a member joins anew, as after a session that ran out.

// farewellsMax bounds what is remembered.
const farewellsMax = 10_000

type farewell struct{ group, member string }

// noteFarewell remembers a leave that could not be stored, and forgets one that is done, or that its member took back.
func (c *Coordinator) noteFarewell(name string, r *ConsumerRequest, err error) {
	key := farewell{name, r.MemberID}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.mu.farewells[key]
	switch {
	case r.Epoch != leaveEpoch || !errors.Is(err, ErrUnavailable):
		delete(c.mu.farewells, key)
	case !known && len(c.mu.farewells) < farewellsMax:
		c.mu.farewells[key] = c.Now().Add(c.Limits.ConsumerSession)
	}
}

// repeatFarewells says again what could not be stored. While etcd is away it ends at the first.
func (c *Coordinator) repeatFarewells(ctx context.Context, now time.Time) {
	c.mu.Lock()
	var due []farewell
	for key, until := range c.mu.farewells {
		if now.After(until) {
			delete(c.mu.farewells, key)
			continue
		}
		due = append(due, key)
	}
	c.mu.Unlock()
	for _, key := range due {
		c.mu.Lock()
		_, due := c.mu.farewells[key]
		c.mu.Unlock()
		if !due { // it came back while others were put out
			continue
		}
		_, err := c.ConsumerHeartbeat(ctx, key.group, ConsumerRequest{MemberID: key.member, Epoch: leaveEpoch, RebalanceMs: -1})
		if errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			return
		}
		c.Log.Info("a member left while nothing could be stored; said again", "group", key.group, "member", key.member, "error", err)
	}
}
