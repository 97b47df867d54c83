package group

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// consumerOfOffsets is one member that commits ever larger offsets, through whichever coordinator it finds.
type consumerOfOffsets struct {
	*hall
	desks        []*desk
	member       JoinResult
	joined       bool
	next         int64
	acknowledged record.Offset
	generation   int32
}

func (c *consumerOfOffsets) pick(rt *rapid.T) *desk {
	return rapid.SampledFrom(c.desks).Draw(rt, "coordinator")
}

func (c *consumerOfOffsets) join(rt *rapid.T) {
	d := c.pick(rt)
	res := d.Join(c.Context(), "g", static("", "i")) // it takes the place of what an earlier try has left: nobody is waited for
	if res.Err != nil {
		return
	}
	if res.Generation < c.generation {
		rt.Fatalf("generation %d after %d", res.Generation, c.generation)
	}
	c.generation = res.Generation
	c.member, c.joined = res, true
	_ = d.Sync(c.Context(), "g", SyncRequest{MemberID: res.MemberID, Instance: "i", Generation: res.Generation})
}

func (c *consumerOfOffsets) commits(rt *rapid.T) {
	if !c.joined {
		rt.Skip("no member")
	}
	c.next++
	if c.hall.commit(c.pick(rt), "g", of(c.member), c.next) == nil {
		c.acknowledged = record.Offset(c.next)
	}
}

// etcd decides what happens to the next requests.
func (c *consumerOfOffsets) etcd(rt *rapid.T) {
	fail := rapid.SampledFrom([]coordination.Failure{coordination.FailNever, coordination.FailBefore, coordination.FailAfter, coordination.FailLate}).Draw(rt, "fail")
	left := rapid.IntRange(1, 4).Draw(rt, "times")
	c.breaks(func(op coordination.Op, _ string) coordination.Decision {
		c.mu.Lock()
		defer c.mu.Unlock()
		if left--; op != coordination.OpCommit || left < 0 {
			return coordination.Decision{}
		}
		return coordination.Decision{Fail: fail}
	})
}

func (c *consumerOfOffsets) lands(rt *rapid.T) {
	if c.fault.Late() == 0 {
		rt.Skip("nothing is late")
	}
	_, _ = c.fault.Land(c.Context(), rapid.IntRange(0, c.fault.Late()-1).Draw(rt, "late"))
}

func (c *consumerOfOffsets) check(rt *rapid.T) {
	found, err := c.desks[0].readOffsets(c.Context(), "g")
	if err != nil {
		rt.Fatal(err)
	}
	got := record.Offset(0)
	if found["a"] != nil {
		got = found["a"].partitions[0].Offset
	}
	if got < c.acknowledged {
		rt.Fatalf("committed %d, acknowledged %d", got, c.acknowledged)
	}
}

func TestAnomaly18_NoAcknowledgedOffsetIsLostOrGoesBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &consumerOfOffsets{hall: newHall(t)}
		c.desks = []*desk{c.idle(1), c.idle(2)}
		rt.Repeat(map[string]func(*rapid.T){
			"": c.check, "join": c.join, "commit": c.commits, "commit more": c.commits, "commit again": c.commits, "etcd": c.etcd, "lands": c.lands,
		})
	})
}
