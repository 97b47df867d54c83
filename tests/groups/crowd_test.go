//go:build stack

package groups

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// crowd is one group: its members come and go by dice.
type crowd struct {
	*Recorder
	t          *testing.T
	name       string
	topic      string
	partitions int32
	size       int // how many members it has, give or take one
	options    []kgo.Opt
	seeds      []string
	admin      *kgo.Client // never a member
	dice       *rand.Rand
	members    []*member
	next       int
	zombies    []zombie
	acts       map[string]int
	calm       time.Time // when the last pause is over
}

// zombie is who a killed member was.
type zombie struct {
	name, id   string
	generation int32
	has        map[Partition]int64
	since      time.Time
}

func (c *crowd) join() {
	c.next++
	m, err := startMember(fmt.Sprintf("%s-%d", c.name, c.next), c.name, c.topic, c.seeds, c.options, c.Recorder)
	if err != nil {
		c.t.Error(err)
		return
	}
	c.members = append(c.members, m)
}

// take gives a member that is nobody's any more.
func (c *crowd) take() *member {
	i := c.dice.IntN(len(c.members))
	m := c.members[i]
	c.members = slices.Delete(c.members, i, i+1)
	return m
}

func (c *crowd) kill() {
	m := c.take()
	id, generation, has := m.lives()
	m.kill()
	c.zombies = append(c.zombies, zombie{m.name, id, generation, has, time.Now()})
}

func (c *crowd) pause() {
	d := session + 2*time.Second + time.Duration(c.dice.IntN(3000))*time.Millisecond
	c.members[c.dice.IntN(len(c.members))].pause(d)
	c.calm = time.Now().Add(d)
}

// live does something every few seconds, until ctx ends.
func (c *crowd) live(ctx context.Context) {
	for range c.size {
		c.join()
	}
	first := []string{"kill", "pause"} // every history has these
	c.wait(ctx, 4*time.Second)         // all have joined, and have something to lose
	for c.wait(ctx, 3*time.Second+time.Duration(c.dice.IntN(5000))*time.Millisecond) {
		c.haunt(false)
		act := []string{"join", "leave", "kill", "pause"}[c.dice.IntN(4)]
		switch {
		case len(first) > 0:
			act, first = first[0], first[1:]
		case act == "join" && len(c.members) > c.size, act == "pause" && time.Now().Before(c.calm):
			act = "leave"
		case act == "leave" && len(c.members) < c.size:
			act = "join"
		}
		c.acts[act]++
		switch act {
		case "join":
			c.join()
		case "leave":
			if len(c.members) == 1 {
				c.join()
			}
			c.take().leave()
		case "kill":
			c.kill()
			c.join()
		case "pause":
			c.pause()
		}
	}
}

func (c *crowd) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// haunt commits what killed members would have committed, had they come back: those whose session is over, or all.
func (c *crowd) haunt(all bool) {
	var later []zombie
	for _, z := range c.zombies {
		if time.Since(z.since) < 2*session && !all {
			later = append(later, z)
		} else if z.generation > 0 && len(z.has) > 0 {
			c.acts["zombie"]++
			c.commitAs(z)
		}
	}
	c.zombies = later
}

func (c *crowd) commitAs(z zombie) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = c.name, z.id, z.generation
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = c.topic
	for p, offset := range z.has {
		one := kmsg.NewOffsetCommitRequestTopicPartition()
		one.Partition, one.Offset = p.Number, max(offset, 0)
		topic.Partitions = append(topic.Partitions, one)
	}
	req.Topics = append(req.Topics, topic)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	start := c.Now()
	resp, err := req.RequestWith(ctx, c.admin)
	noteCommit(c.Recorder, z.name, start, req, resp, err)
}

// read notes the committed offsets, and says whether they are the ends.
func (c *crowd) read(ctx context.Context, ends map[Partition]int64) error {
	req := kmsg.NewPtrOffsetFetchRequest()
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = c.name
	topic := kmsg.NewOffsetFetchRequestGroupTopic()
	topic.Topic = c.topic
	for n := range c.partitions {
		topic.Partitions = append(topic.Partitions, n)
	}
	group.Topics = append(group.Topics, topic)
	req.Groups = append(req.Groups, group)
	start := c.Now()
	resp, err := req.RequestWith(ctx, c.admin)
	if err != nil || len(resp.Groups) != 1 || resp.Groups[0].ErrorCode != 0 || len(resp.Groups[0].Topics) != 1 {
		return fmt.Errorf("offsets of %s: %+v, %w", c.name, resp, err)
	}
	end := c.Now()
	var behind error
	for _, p := range resp.Groups[0].Topics[0].Partitions {
		if p.ErrorCode != 0 {
			return fmt.Errorf("offset of partition %d: code %d", p.Partition, p.ErrorCode)
		}
		tp := Partition{c.topic, p.Partition}
		c.Note(Event{Start: start, End: end, Kind: Read, Partitions: []Partition{tp}, Offset: p.Offset})
		if p.Offset != ends[tp] && (p.Offset >= 0 || ends[tp] != 0) {
			behind = fmt.Errorf("%s: %v is at %d of %d", c.name, tp, p.Offset, ends[tp])
		}
	}
	return behind
}

// history is what happened so far.
func (c *crowd) history(ends map[Partition]int64, healed time.Duration) *History {
	h := &History{Group: c.name, Events: c.Events(), Ends: ends, Healed: healed, SettleMax: c.Now() - healed, Final: map[string]int32{}}
	for _, m := range c.members {
		_, h.Final[m.name], _ = m.lives()
	}
	return h
}

// settled is nil once a history of now would end well.
func (c *crowd) settled(ends map[Partition]int64, healed time.Duration) error {
	violations, _ := Check(c.history(ends, healed))
	for _, v := range violations {
		if v.Rule == RuleSettles {
			return fmt.Errorf("%v", v)
		}
	}
	return nil
}

func (c *crowd) end() {
	var all sync.WaitGroup
	for _, m := range c.members {
		all.Go(m.leave)
	}
	all.Wait()
}
