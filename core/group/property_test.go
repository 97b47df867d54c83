package group

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world is a group with its clients, of both protocols, that do all they may in any order.
type world struct {
	*table
	clients    map[string]*consumerClient
	classics   map[string]*classicClient
	next       int
	generation int32
}

// consumerClient is a KIP-848 member as it sees itself.
type consumerClient struct {
	id    string
	epoch int32
	has   Partitions // it consumes these
	keep  Partitions // of these, what it shall keep: the rest it has still to give up
}

// classicClient is a classic member as it sees itself. It is eager: it gives up everything before it joins.
type classicClient struct {
	id         string
	generation int32
	join, sync Ticket
	has        Partitions
	fresh      bool // has never been answered
}

func (w *world) names(of func(string) bool) (out []string) {
	for _, id := range slices.Sorted(maps.Keys(w.clients)) {
		if of == nil || of(id) {
			out = append(out, id)
		}
	}
	return out
}

// consumerJoins makes a new member.
func (w *world) consumerJoins(rt *rapid.T) {
	w.next++
	c := &consumerClient{id: fmt.Sprint("c", w.next)}
	w.clients[c.id] = c
	w.beat(rt, c)
}

func (w *world) consumerBeats(rt *rapid.T) {
	ids := w.names(nil)
	if len(ids) == 0 {
		rt.Skip("nobody")
	}
	w.beat(rt, w.clients[rapid.SampledFrom(ids).Draw(rt, "member")])
}

// beat is one heartbeat; its answer may be lost.
func (w *world) beat(rt *rapid.T, c *consumerClient) {
	lost := rapid.IntRange(0, 5).Draw(rt, "lost") == 0
	if rapid.Bool().Draw(rt, "gives up") {
		c.has = c.has.both(c.keep)
	}
	r := keepAlive(c.id, c.epoch, c.has.plus(nil))
	switch {
	case c.epoch == 0:
		c.has, c.keep = Partitions{}, Partitions{}
		r = consuming(c.id)
		r.Names = rapid.SampledFrom([][]string{{"a"}, {"bb"}, {"a", "bb"}}).Draw(rt, "names")
	case rapid.Bool().Draw(rt, "full"):
		r.RebalanceMs, r.Names = 20_000, w.subscribed(c.id)
	case rapid.Bool().Draw(rt, "silent"):
		r.Owned = nil
	}
	res, err := w.consumer(r)
	if err != nil {
		if !lost { // fenced, or unknown: it gives up all and joins anew
			c.epoch, c.has, c.keep = 0, Partitions{}, Partitions{}
		}
		return
	}
	if lost {
		return
	}
	c.epoch = res.Epoch
	if res.Assignment != nil {
		c.keep = res.Assignment.plus(nil)
		c.has = c.has.plus(c.keep) // it takes what is new at once, and gives up the rest when it likes
	}
}

func (w *world) subscribed(id string) []string {
	if m := w.m.Members[id]; m != nil && len(m.Names) > 0 {
		return m.Names
	}
	return []string{"a"}
}

func (w *world) consumerLeaves(rt *rapid.T) {
	ids := w.names(nil)
	if len(ids) == 0 {
		rt.Skip("nobody")
	}
	id := rapid.SampledFrom(ids).Draw(rt, "member")
	_, _ = w.consumer(ConsumerRequest{MemberID: id, Epoch: leaveEpoch, RebalanceMs: -1})
	delete(w.clients, id)
}

func (w *world) classicJoins(*rapid.T) {
	w.next++
	name := fmt.Sprint("k", w.next)
	c := &classicClient{fresh: true}
	w.classics[name] = c
	w.rejoin(c)
}

func (w *world) rejoin(c *classicClient) {
	c.has, c.sync = Partitions{}, 0
	r := joining(c.id)
	r.Protocols = []Protocol{{"range", wants("a", "bb")}}
	c.join, _ = w.join(r)
}

func (w *world) someClassic(rt *rapid.T) *classicClient {
	ids := slices.Sorted(maps.Keys(w.classics))
	if len(ids) == 0 {
		rt.Skip("nobody")
	}
	return w.classics[rapid.SampledFrom(ids).Draw(rt, "classic")]
}

// classicMoves takes a classic member one step on.
func (w *world) classicMoves(rt *rapid.T) {
	c := w.someClassic(rt)
	switch {
	case c.join != 0:
		res, ok := w.joins[c.join]
		if !ok {
			return // it waits
		}
		c.join = 0
		if res.Err != nil {
			if errors.Is(res.Err, ErrUnknownMember) {
				c.id = ""
			}
			w.rejoin(c)
			return
		}
		c.id, c.generation = res.MemberID, res.Generation
		r := SyncRequest{MemberID: c.id, Generation: c.generation}
		if res.Leader == c.id {
			r.Assignments = deal(res.Members, w.topics)
		}
		c.sync, _ = w.sync(r)
	case c.sync != 0:
		res, ok := w.syncs[c.sync]
		if !ok {
			return
		}
		c.sync = 0
		if res.Err != nil {
			w.rejoin(c)
			return
		}
		c.has, _ = decodeAssignment(res.Assignment, w.topics)
	default:
		if err := w.heartbeat(c.id, c.generation); err != nil {
			if !errors.Is(err, ErrRebalanceInProgress) && !errors.Is(err, ErrIllegalGeneration) {
				c.id = ""
			}
			w.rejoin(c)
		}
	}
}

// deal gives partition n to member n.
func deal(members []JoinedMember, topics *Catalog) map[string][]byte {
	out := map[string][]byte{}
	for i, m := range members {
		has := Partitions{}
		for _, t := range topics.topics {
			for n := range t.Partitions {
				if int(n)%len(members) == i {
					has = has.With(t.ID, n)
				}
			}
		}
		out[m.ID] = encodeAssignment(has, topics)
	}
	return out
}

func (w *world) classicLeaves(rt *rapid.T) {
	c := w.someClassic(rt)
	_ = w.leave(c.id)
	maps.DeleteFunc(w.classics, func(_ string, other *classicClient) bool { return other == c })
}

// changeCoordinator makes the next one from what is stored. Who waited is told to come again.
func (w *world) changeCoordinator(*rapid.T) {
	w.takeover()
	for _, c := range w.classics {
		if _, ok := w.joins[c.join]; c.join != 0 && !ok {
			w.joins[c.join] = JoinResult{Err: ErrNotCoordinator}
		}
		if _, ok := w.syncs[c.sync]; c.sync != 0 && !ok {
			w.syncs[c.sync] = SyncResult{Err: ErrNotCoordinator}
		}
	}
}

func (w *world) timePasses(rt *rapid.T) {
	w.pass(time.Duration(rapid.IntRange(1, 12).Draw(rt, "seconds")) * time.Second)
}

func (w *world) topicGrows(rt *rapid.T) {
	topics := slices.Clone(w.topics.topics)
	if topics[0].Partitions > 20 {
		rt.Skip("large enough")
	}
	topics[rapid.IntRange(0, 1).Draw(rt, "topic")].Partitions++
	w.topics = NewCatalog(topics)
}

// check holds after every step.
func (w *world) check(rt *rapid.T) {
	if w.stored != nil {
		s, err := decodeState(w.stored)
		if err != nil {
			rt.Fatal(err)
		}
		if s.Generation < w.generation {
			rt.Fatalf("generation went from %d to %d", w.generation, s.Generation)
		}
		w.generation = s.Generation
	}
	if w.m.rebalance == nil && w.m.stored && string(w.m.encode()) != string(w.stored) {
		rt.Fatalf("memory is ahead of what is stored:\n%s\n%s", w.m.encode(), w.stored)
	}
	if w.m.Kind == Consumer {
		taken := Partitions{}
		for _, id := range w.m.ids() {
			member := w.m.Members[id]
			mine := member.Assigned.plus(member.Revoking)
			if both := taken.both(mine); both.count() > 0 {
				rt.Fatalf("%v is with %s and with another one", both, id)
			}
			taken = taken.plus(mine)
			if member.Epoch > w.m.Generation {
				rt.Fatalf("%s is at epoch %d of %d", id, member.Epoch, w.m.Generation)
			}
		}
	}
	w.checkClients(rt)
}

// checkClients looks at what the clients themselves consume: those that the group knows, at the epoch or generation they
// believe in, never share a partition.
func (w *world) checkClients(rt *rapid.T) {
	taken := map[string]string{}
	claim := func(id string, has Partitions) {
		for topic, list := range has {
			for _, n := range list {
				key := fmt.Sprint(topic, n)
				if other, ok := taken[key]; ok {
					rt.Fatalf("%s/%d is consumed by %s and %s", topic, n, other, id)
				}
				taken[key] = id
			}
		}
	}
	for _, id := range w.names(nil) {
		c := w.clients[id]
		if m := w.m.Members[id]; w.m.Kind == Consumer && m != nil && !m.Classic && c.epoch > 0 && (m.Epoch == c.epoch || m.Previous == c.epoch) {
			claim(id, c.has)
		}
	}
	for _, c := range w.classics {
		m := w.m.Members[c.id]
		if m == nil || c.id == "" {
			continue
		}
		if w.m.Kind == Classic && c.generation == w.m.Generation || w.m.Kind == Consumer && m.Classic && m.Epoch == c.generation {
			claim(c.id, c.has)
		}
	}
}

// calm lets everybody do what it should for a while.
func (w *world) calm(rt *rapid.T) {
	for range 40 {
		for _, id := range w.names(nil) {
			c := w.clients[id]
			c.has = c.has.both(c.keep)
			r := keepAlive(id, c.epoch, c.has.plus(nil))
			r.RebalanceMs, r.Names = 20_000, []string{"a", "bb"}
			if c.epoch == 0 {
				c.has, c.keep, r.Owned = Partitions{}, Partitions{}, Partitions{}
			}
			res, err := w.consumer(r)
			if err != nil {
				c.epoch, c.has, c.keep = 0, Partitions{}, Partitions{}
				continue
			}
			c.epoch = res.Epoch
			if res.Assignment != nil {
				c.keep = res.Assignment.plus(nil)
				c.has = c.keep
			}
		}
		w.pass(time.Second)
		w.check(rt)
	}
	if len(w.clients) == 0 || len(w.classics) > 0 {
		return
	}
	total := 0
	for _, c := range w.clients {
		total += c.has.count()
	}
	all := int(w.topics.topics[0].Partitions + w.topics.topics[1].Partitions)
	if total != all || w.m.Current() != Stable {
		rt.Fatalf("after a calm while %d of %d partitions are consumed; group %s", total, all, w.m.Current())
	}
}

func newWorld(t testing.TB) *world {
	return &world{table: newTable(t), clients: map[string]*consumerClient{}, classics: map[string]*classicClient{}}
}

func TestProperty_NoPartitionIsWithTwoMembersOfAConsumerGroup(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		rt.Repeat(map[string]func(*rapid.T){
			"": w.check, "join": w.consumerJoins, "beat": w.consumerBeats, "beat again": w.consumerBeats, "leave": w.consumerLeaves,
			"coordinator": w.changeCoordinator, "time": w.timePasses, "topic": w.topicGrows,
		})
		w.calm(rt)
	})
}

func TestProperty_NoPartitionIsWithTwoMembersOfAClassicGeneration(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		rt.Repeat(map[string]func(*rapid.T){
			"": w.check, "join": w.classicJoins, "move": w.classicMoves, "move on": w.classicMoves, "move further": w.classicMoves, "leave": w.classicLeaves,
			"coordinator": w.changeCoordinator, "time": w.timePasses,
		})
	})
}

func TestProperty_NorWhileTheGroupGoesFromOneProtocolToTheOther(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		rt.Repeat(map[string]func(*rapid.T){
			"": w.check, "classic joins": w.classicJoins, "classic moves": w.classicMoves, "classic moves on": w.classicMoves, "classic leaves": w.classicLeaves,
			"join": w.consumerJoins, "beat": w.consumerBeats, "leave": w.consumerLeaves, "coordinator": w.changeCoordinator, "time": w.timePasses,
		})
	})
}

func TestAssign_IsBalancedAndMovesLittle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := []Topic{{"a", topicID("a"), rapid.Int32Range(1, 40).Draw(rt, "a")}, {"bb", topicID("bb"), rapid.Int32Range(1, 40).Draw(rt, "b")}}
		slices.SortFunc(all, byID)
		members := func(n int) (each []subscription) {
			for i := range n {
				each = append(each, subscription{member: fmt.Sprint("m", i), order: fmt.Sprint("m", i), topics: all})
			}
			return each
		}
		n := rapid.IntRange(1, 9).Draw(rt, "members")
		partitions := int(all[0].Partitions + all[1].Partitions)
		before := assign(assignUniform, members(n), nil, all)
		after := assign(assignUniform, members(n+1), before, all)
		moved := 0
		for _, got := range []map[string]Partitions{before, after} {
			total, least, most := 0, partitions, 0
			for _, p := range got {
				total, least, most = total+p.count(), min(least, p.count()), max(most, p.count())
			}
			if total != partitions || most > least+1 {
				rt.Fatalf("%d of %d partitions, %d to %d a member", total, partitions, least, most)
			}
		}
		for id, p := range before {
			moved += p.without(after[id]).count()
		}
		if fair := partitions/(n+1) + 1; moved > fair {
			rt.Fatalf("%d of %d partitions moved to make room for one of %d", moved, partitions, n+1)
		}
	})
}
