package sim

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/coordination"
	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/sim/replay"
	"github.com/firnlog/firnlog/tests/groups"
)

// GroupSettings of a history of consumer groups; DrawGroups makes them from the seed.
type GroupSettings struct {
	Desks      int // instances that coordinate
	Chaos      time.Duration
	Every      time.Duration // between two disturbances
	Partitions [3]int32      // of the topic of each group
	Members    [3]int
	Refused    float64 // of a commit to the KV: it does not arrive
	Lost       float64 // its answer does not
	Late       float64 // it arrives, long after it was given up
	Slow       float64 // of any call
	Deaf       float64 // of a call to a coordinator: its answer does not come
}

// DrawGroups gives the settings of a seed.
func DrawGroups(seed uint64) GroupSettings {
	d := throw(seed, "group settings", 0, 0, "")
	s := GroupSettings{
		Desks: 2 + d.below(2), Chaos: d.between(40*time.Second, 80*time.Second), Every: d.between(700*time.Millisecond, 4*time.Second),
		Refused: .01, Lost: .01, Late: .01, Slow: .01, Deaf: .005,
	}
	by := []float64{0, 1, 3, 8}[d.below(4)]
	for _, p := range []*float64{&s.Refused, &s.Lost, &s.Late, &s.Slow, &s.Deaf} {
		*p *= by
	}
	for i := range s.Partitions {
		s.Partitions[i] = []int32{1, 5, 12, 40}[d.below(4)]
		s.Members[i] = 1 + d.below(6)
	}
	return s
}

// Names of the groups: by the protocols of their members.
const (
	consumerGroup = 1
	mixedGroup    = 2
)

var groupNames = [3]string{"classic", "consumer", "mixed"}

// groupWorld is an etcd, coordinators that do not agree on who lives, and members.
type groupWorld struct {
	GroupSettings
	seed    uint64
	begin   time.Time
	keys    coordination.Keys
	kv      *kvmemory.KV
	topics  []*ledger.Topic
	records [3]*groups.Recorder
	healed  atomic.Bool
	ctx     context.Context
	work    sync.WaitGroup
	counter counter
	mu      struct {
		sync.Mutex
		desks   []*desk
		members []*simMember
		next    int
	}
}

// GroupReport is what became of a history.
type GroupReport struct {
	Violations []groups.Violation
	Counts     [3]groups.Counts
	Tally      Tally
	Histories  [3]*groups.History
}

var groupsFormat = []byte("format")

// How long after the last fault a group has come to rest: a session, a rebalance, and calls that were on their way. And how long
// it has to stay there.
const (
	groupsSettle = 60 * time.Second
	groupsQuiet  = 20 * time.Second
)

// RunGroups runs the history of a seed in a bubble of its own.
func RunGroups(t *testing.T, seed uint64) *GroupReport {
	r := &GroupReport{}
	synctest.Test(t, func(t *testing.T) {
		replay.Seed(seed)
		ctx, over := context.WithCancel(context.Background())
		w := newGroupWorld(ctx, t, seed)
		w.live()
		for i, name := range groupNames {
			h := w.history(i, name)
			violations, counts := groups.Check(h)
			r.Violations = append(r.Violations, violations...)
			r.Counts[i], r.Histories[i] = counts, h
		}
		r.Tally = w.counter.tally(time.Since(w.begin), 0)
		over()
		w.work.Wait()
		time.Sleep(time.Minute) // what waits for a timer alone comes to its end
	})
	return r
}

func newGroupWorld(ctx context.Context, t *testing.T, seed uint64) *groupWorld {
	w := &groupWorld{GroupSettings: DrawGroups(seed), seed: seed, begin: time.Now(), keys: coordination.NewKeys("sim"), kv: kvmemory.New(kvmemory.Settings{}), ctx: ctx}
	if _, err := w.kv.Commit(ctx, nil, []coordination.Change{coordination.PutKey(w.keys.Format(), groupsFormat)}); err != nil {
		t.Fatal(err)
	}
	for i, name := range groupNames {
		w.topics = append(w.topics, &ledger.Topic{Name: name, ID: record.TopicID{15: byte(i + 1)}, Partitions: w.Partitions[i]})
		w.records[i] = groups.NewRecorder(func() time.Duration { return time.Since(w.begin) })
	}
	return w
}

// AllTopics, FormatValue and Barrier make it a group.View. Topics come by name, as the log's do.
func (w *groupWorld) AllTopics() []*ledger.Topic    { return w.topics }
func (w *groupWorld) FormatValue() []byte           { return groupsFormat }
func (w *groupWorld) Barrier(context.Context) error { return nil }

func (w *groupWorld) live() {
	w.mu.Lock()
	for i := range w.Desks {
		w.mu.desks = append(w.mu.desks, w.newDesk(int32(i), 0))
	}
	w.mu.Unlock()
	for g := range groupNames {
		for range w.Members[g] {
			w.arrive(g)
		}
	}
	d := throw(w.seed, "groups chaos", 0, 0, "")
	until := time.Now().Add(w.Chaos)
	for time.Now().Before(until) {
		time.Sleep(d.between(w.Every/2, w.Every*3/2))
		w.disturb(&d)
	}
	w.heal()
	time.Sleep(groupsSettle + groupsQuiet)
}

// disturbances by name.
var disturbances = [9]string{"kill", "pause", "cut", "coordinators disagree", "coordinators disagree", "member joins", "member leaves", "member killed", "member paused"}

// disturb does one thing that goes wrong, or one that goes right.
func (w *groupWorld) disturb(d *dice) {
	g, kind := d.below(3), d.below(9)
	w.counter.fault(disturbances[kind])
	switch kind {
	case 0:
		w.killDesk(d)
	case 1:
		w.someDesk(d).pause(d.between(time.Second, 9*time.Second))
	case 2:
		w.someDesk(d).cut(d.between(100*time.Millisecond, 6*time.Second))
	case 3, 4:
		w.someDesk(d).misbelieve(d, d.between(time.Second, 12*time.Second))
	case 5:
		w.arrive(g)
	case 6:
		w.depart(d, g, false)
	case 7:
		w.depart(d, g, true)
		w.arrive(g)
	case 8:
		if m := w.someMember(d, g); m != nil {
			m.pause(d.between(time.Second, 15*time.Second))
		}
	}
}

func (w *groupWorld) someDesk(d *dice) *desk { return w.everyDesk()[d.below(w.Desks)] }

func (w *groupWorld) everyDesk() []*desk {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.mu.desks)
}

// killDesk kills one, and lets it be born again. The others learn of both late.
func (w *groupWorld) killDesk(d *dice) {
	old := w.someDesk(d)
	if old.isDead() {
		return
	}
	old.kill()
	for _, other := range w.everyDesk() {
		if other != old {
			other.learnLater(old.node, d.between(0, 10*time.Second))
		}
	}
	time.AfterFunc(d.between(time.Second, 8*time.Second), func() { w.rebirth(old) })
}

func (w *groupWorld) rebirth(old *desk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil || w.mu.desks[old.node] != old {
		return
	}
	d := throw(w.seed, "rebirth", int(old.node), old.life, "")
	w.mu.desks[old.node] = w.newDesk(old.node, old.life+1)
	for _, other := range w.mu.desks {
		other.learnLater(old.node, d.between(0, 3*time.Second))
	}
}

// truth is who lives.
func (w *groupWorld) truth(node int32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(node) < len(w.mu.desks) && !w.mu.desks[node].isDead()
}

// deskOf gives the one with a node id, if it lives.
func (w *groupWorld) deskOf(node int32) *desk {
	w.mu.Lock()
	defer w.mu.Unlock()
	if int(node) >= len(w.mu.desks) || w.mu.desks[node].isDead() {
		return nil
	}
	return w.mu.desks[node]
}

// heal ends all faults: everybody lives, goes on and knows it.
func (w *groupWorld) heal() {
	w.healed.Store(true)
	for _, old := range w.everyDesk() {
		if old.isDead() {
			w.rebirth(old)
		}
	}
	for _, d := range w.everyDesk() {
		d.heal()
	}
	for _, m := range w.mu.members {
		m.heal()
	}
}

// history is that of one group.
func (w *groupWorld) history(g int, name string) *groups.History {
	h := &groups.History{Group: name, Events: w.records[g].Events(), Ends: map[groups.Partition]int64{}, Healed: time.Since(w.begin) - groupsSettle - groupsQuiet,
		SettleMax: groupsSettle, Final: map[string]int32{}}
	for n := range w.Partitions[g] {
		h.Ends[groups.Partition{Topic: name, Number: n}] = 0 // processing goes on
	}
	for _, m := range w.mu.members {
		if m.group == g && !m.isGone() {
			h.Final[m.name] = m.at()
		}
	}
	if len(h.Final) == 0 {
		h.Final = nil
	}
	return h
}

// arrive makes a member.
func (w *groupWorld) arrive(g int) {
	w.mu.next++
	m := w.newMember(g, fmt.Sprintf("%s-%d", groupNames[g], w.mu.next), g == consumerGroup || g == mixedGroup && w.mu.next%2 == 1)
	w.mu.members = append(w.mu.members, m)
	w.work.Go(func() { m.live() })
}

func (w *groupWorld) someMember(d *dice, g int) *simMember {
	var all []*simMember
	for _, m := range w.mu.members {
		if m.group == g && !m.isGone() {
			all = append(all, m)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[d.below(len(all))]
}

// depart takes a member away, with or without a goodbye.
func (w *groupWorld) depart(d *dice, g int, killed bool) {
	if m := w.someMember(d, g); m != nil {
		m.end(killed)
	}
}
