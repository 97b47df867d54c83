package invoke_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
)

// check compares what etcd holds of the group with the rules: each partition with one member, nothing in a seat that its member
// does not have, and committed offsets that are those that were acknowledged last, or later ones.
func (s *society) check(when string) {
	s.Helper()
	s.mu.Lock()
	s.steps = append(s.steps, when)
	acked := maps.Clone(s.acked)
	s.mu.Unlock()
	items := s.c.Items(s.c.Keys.Group("g"))
	if len(items) == 0 || items[0].Key != s.c.Keys.Group("g") {
		return
	}
	state, err := group.Stored(items[0].Value)
	if err != nil {
		s.fail("%v", err)
	}
	owner := map[int32]string{}
	has := map[string][]int32{}
	for id, m := range state.Members {
		has[id] = append(slices.Clone(m.Assigned[s.topic]), m.Revoking[s.topic]...)
		for _, n := range has[id] {
			if owner[n] != "" {
				s.fail("%s: partition %d is with %s and %s", when, n, owner[n], id)
			}
			owner[n] = id
		}
	}
	for _, h := range s.hands {
		key := s.c.Keys.GroupMember("g", h.name)
		i := slices.IndexFunc(items, func(it coordination.Item) bool { return it.Key == key })
		if i < 0 || time.Since(h.used) > rebalanceMax {
			continue // a broker may have put out who did not give up in time
		}
		seat, err := consume.Decode(items[i].Value)
		if err != nil {
			s.fail("%v", err)
		}
		for _, p := range seat.Places {
			if !slices.Contains(has[h.name], p.Partition) {
				s.fail("%s: %s goes on reading partition %d, which is with %q", when, h.name, p.Partition, owner[p.Partition])
			}
		}
	}
	for n, at := range acked {
		if got := s.committed(n); got < at {
			s.fail("%s: partition %d is committed at %d; %d was acknowledged", when, n, got, at)
		}
	}
}

// rebalanceMax is what members behind functions are given by brokers to give up partitions.
const rebalanceMax = time.Minute

func (s *society) committed(n int32) record.Offset {
	items := s.c.Items(s.c.Keys.GroupOffset("g", "t"))
	if len(items) == 0 {
		return 0
	}
	offsets, err := group.StoredOffsets(items[0].Value)
	if err != nil {
		s.fail("%v", err)
	}
	return offsets[record.TopicPartition{Topic: s.topic, Partition: n}]
}

// step does something.
func (s *society) step() {
	switch k := s.IntN(20); {
	case k < 2:
		s.write()
	case k < 4:
		time.Sleep(time.Duration(s.IntN(20)) * time.Second)
	case k == 4:
		time.Sleep(time.Duration(s.IntN(140)) * time.Second)
	case k == 5 && len(s.hands) < 3:
		s.next++
		s.hands = append(s.hands, &hand{name: fmt.Sprint("m", s.next)})
	case k == 6 && len(s.wires) < 2:
		s.next++
		s.wires = append(s.wires, &wireMember{id: fmt.Sprint("w", s.next), has: group.Partitions{}})
	case k == 7 && len(s.hands) > 0 && s.IntN(2) == 0: // its client is gone
		i := s.IntN(len(s.hands))
		s.hands = slices.Delete(s.hands, i, i+1)
	case k == 8 && len(s.wires) > 0 && s.IntN(2) == 0:
		i := s.IntN(len(s.wires))
		s.wires = slices.Delete(s.wires, i, i+1)
	case k == 9 || k == 10:
		s.brokers()
	case k < 15 && len(s.wires) > 0:
		s.beats(s.wires[s.IntN(len(s.wires))])
		s.check("heartbeat over TCP")
	default:
		s.several()
	}
}

// several members take their steps, at the same time or one alone.
func (s *society) several() {
	var work sync.WaitGroup
	for _, h := range s.hands {
		if s.IntN(2) == 0 {
			p := s.prepare(h, true)
			work.Go(func() { s.invokes(h, p) })
		}
	}
	for _, w := range s.wires {
		if s.IntN(4) == 0 {
			work.Go(func() { s.beats(w) })
		}
	}
	work.Wait()
}

// brokers lets one appear or disappear, or be out of reach.
func (s *society) brokers() {
	node := int32(s.IntN(2))
	s.offices.mu.Lock()
	open := s.offices.open[node] != nil
	s.offices.mu.Unlock()
	switch {
	case s.IntN(4) == 0:
		s.offices.mu.Lock()
		s.offices.cut = !s.offices.cut
		s.offices.mu.Unlock()
	case open:
		s.offices.closes(node, s.IntN(2) == 0)
	default:
		s.offices.opens(node)
	}
	s.steps = append(s.steps, fmt.Sprintf("broker %d, open before: %v, cut %v", node, open, s.offices.cut))
}

// settle demands progress: with members behind functions alone, no broker and no faults, all is read and committed after some rounds.
func (s *society) settle() {
	for _, in := range s.offices.live() {
		s.offices.closes(in.Node, false)
	}
	for node := range int32(2) {
		s.c.Delete(s.c.Keys.Instance(node))
	}
	s.wires = nil
	s.next++
	s.hands = append(s.hands, &hand{name: fmt.Sprint("last", s.next)})
	s.write()
	for range 12 {
		time.Sleep(20 * time.Second)
		for _, h := range s.hands {
			s.invokes(h, s.prepare(h, false))
		}
	}
	for n, end := range s.written {
		if got := s.committed(n); got != end {
			s.fail("partition %d is committed at %d of %d: no progress", n, got, end)
		}
	}
}

// Members behind functions and over TCP, environments that freeze, die between any two requests and start cold, brokers that come and
// go, with and without their keys: no partition is with two members, no acknowledged commit is lost, and the group goes on.
func TestGroups_ThroughFunctionsAndBrokersInAnyOrder(t *testing.T) {
	for seed := range uint64(80) {
		synctest.Test(t, func(t *testing.T) {
			s := newSociety(t, seed)
			defer func() {
				for _, in := range s.offices.live() {
					s.offices.closes(in.Node, false)
				}
				s.log.Stop()
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			for range 60 {
				if s.step(); t.Failed() {
					return
				}
			}
			s.settle()
		})
		if t.Failed() {
			return
		}
	}
}
