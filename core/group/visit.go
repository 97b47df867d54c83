package group

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/pause"
)

// A Visitor takes a coordinator's steps for as long as one request: it is of a process that is frozen between requests, so that it can
// hold no group in memory, hear nobody's heartbeats, and wait for nothing.
//
//  1. Look: one read says what is stored of the group, which of its members have seats, and which instances live. Where one lives
//     that can be reached, it is asked (core/invoke, core/group/relay), and the rest does not happen.
//  2. Put out members that do not live (below), as far as they have places.
//  3. Run the step on the pure Machine that coordinators use. Its sessions and time-outs are not used.
//  4. If what is stored changed, swap groups/<group>: guards are its mod revision, log/format, and that the seats of
//     those put out are still missing. Refused, or of unknown outcome: everything from 1 on again.
//  5. Answer. What stores nothing answers from 1, which began after the request came.
//
// # Who lives
//
// A member with a seat lives: etcd's clock says so. One without a seat could only be heard by a coordinator. The step that takes the
// role from one therefore puts groups/<group>/grace beside the new state, under a lease as long as the longest session among such
// members. While that key is there nobody without a seat is put out; once it is gone all of them are, unless a coordinator has
// taken the role back: State.Coordinator.Node says who has it, and is nobodyNode after a Visitor's step. So sessions begin anew
// with each takeover here too, and no clock but etcd's is asked.
//
// # Invariants
//
//   - Those of the package. A broker that coordinates the group and was not reached fails its next write and reads the group anew.
//   - Who is put out has no seat at the revision of that write. Its requests store their seat before they show records,
//     and fail; a new member by that name makes a seat first, and then the write fails.
//   - A Visitor's step knows all topics that any member of the group subscribes to (Know): a target made from fewer would take
//     partitions away.
//   - Nothing is left when the request ends: a lease runs out by itself.
//
// # What was rejected
//
//   - A seat made for every member that a lost broker knew, under its session: as many leases, and names that are taken while nobody
//     uses them. They all begin at the same moment: one key is enough.
//   - Writing down when a member was last seen: clocks of environments disagree, and every poll would write the group.
//   - The coordinator's role by lease for some seconds: an environment that is frozen with it would hold up all others.
//   - Steps always taken here, also where brokers live: their members' heartbeats, which are in memory, would be
//     lost at every step, and their groups be read anew.
//   - The time to give up partitions (a coordinator's rejoinBy): nobody waits here. A member that keeps what it has to give up does so until
//     it comes again or its seat ends.
type Visitor struct {
	*Coordinator
	// Know makes sure that the View has these topics, or all, if they are there.
	Know func(ctx context.Context, names []string, all bool) error

	seen struct {
		sync.Mutex
		sight              *Sight
		forSeat, forMember bool // it may still be used once for these
	}
}

// NewVisitor makes a Visitor. Its Cluster is not asked.
func NewVisitor(s Settings, know func(ctx context.Context, names []string, all bool) error) *Visitor {
	return &Visitor{Coordinator: New(s), Know: know}
}

const (
	nobodyNode int32 = -1 // coordinates after a Visitor's step
	// sightAge is how long a request may rest on what it has seen: any age is safe, but an old one is refused more often.
	sightAge = time.Second
	// visitTime bounds the tries of one step.
	visitTime     = 10 * time.Second
	visitPauseMin = 5 * time.Millisecond
	visitPauseMax = 200 * time.Millisecond
	// putOutMax members are put out in one step: each is a guard.
	putOutMax = 64
)

// ConsumerHeartbeat takes the coordinator's step for a heartbeat (KIP-848).
func (v *Visitor) ConsumerHeartbeat(ctx context.Context, name string, r ConsumerRequest) (res ConsumerResult, err error) {
	if r.NewID == "" {
		r.NewID = v.NewID()
	}
	err = v.repeat(ctx, name, r.MemberID, func(ctx context.Context, s *Sight) error {
		v.Spend()
		topics, err := v.catalog(ctx, s, &r)
		if err != nil {
			return err
		}
		g, err := v.cellOf(s)
		if err != nil {
			return err
		}
		now := v.Now()
		out := g.machine.putOut(now, v.absent(s), r.MemberID, topics)
		var told error
		if res, told = g.machine.ConsumerHeartbeat(now, r, topics); told != nil && len(out) == 0 {
			return told
		}
		if err := v.settle(ctx, g, s, out); err != nil {
			return err
		}
		return told
	})
	return res, err
}

// repeat runs a step until nobody has been faster.
func (v *Visitor) repeat(ctx context.Context, name, member string, step func(ctx context.Context, s *Sight) error) error {
	ctx, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	for try := 0; ; try++ {
		s, err := v.Sight(ctx, name, member)
		if err == nil && try > 0 { // a newer group needs topics, and a format, that are as new
			err = v.View.Barrier(ctx)
		}
		if err == nil {
			err = step(ctx, s)
		}
		if err == nil || !errors.Is(err, ErrNotCoordinator) && !errors.Is(err, ErrUnavailable) {
			return err
		}
		v.Spend()
		if pause.For(ctx, pause.Backoff(try, visitPauseMin, visitPauseMax)) != nil {
			return err
		}
	}
}

// catalog gives the topics that the step needs.
func (v *Visitor) catalog(ctx context.Context, s *Sight, r *ConsumerRequest) (*Catalog, error) {
	names, all := s.Wants()
	names = append(names, r.Names...)
	all = all || r.Regex != nil && *r.Regex != ""
	if err := v.Know(ctx, names, all); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return v.topics()
}

// cellOf makes a group out of what was seen, for one step.
func (v *Visitor) cellOf(s *Sight) (*cell, error) {
	g := &cell{name: s.Group, format: s.format, mod: s.mod, offsets: map[string]*topicOffsets{}}
	if s.State == nil {
		g.machine = NewMachine(nil, v.Limits, v.Now())
		g.machine.Coordinator = Coordinates{Node: nobodyNode, Epoch: 1}
		return g, nil
	}
	state, err := s.State.clone()
	if err != nil {
		return nil, err
	}
	g.machine = NewMachine(state, v.Limits, v.Now())
	return g, nil
}

// clone gives a copy that a step may change.
func (s *State) clone() (*State, error) { return decodeState(s.encode()) }

// absent are the members that may be put out now.
func (v *Visitor) absent(s *Sight) []string {
	if s.State == nil || s.grace || s.State.Coordinator.Node != nobodyNode {
		return nil
	}
	ids := s.unseated(v.Keys)
	return ids[:min(len(ids), putOutMax)]
}

// putOut takes members out, but not the one who asks: it lives. It gives those that it took.
func (m *Machine) putOut(now time.Time, ids []string, asking string, topics *Catalog) (out []string) {
	for _, id := range ids {
		if member := m.Members[id]; member != nil && id != asking {
			m.remove(now, member, ErrUnknownMember)
			out = append(out, id)
		}
	}
	switch {
	case len(out) == 0:
	case m.Kind == Consumer:
		m.shrunk(now, topics)
	default: // of a classic group nobody has a seat, so all of them go
		m.store()
		m.afterLeave(now)
	}
	return out
}

// settle stores what a step changed. Where the role was a coordinator's, it is nobody's now, and members that only that one
// could hear get their grace.
func (v *Visitor) settle(ctx context.Context, g *cell, s *Sight, out []string) error {
	effects := g.machine.Take()
	taken := s.State != nil && s.State.Coordinator.Node != nobodyNode
	var unheard []string
	if taken {
		unheard = s.unseated(v.Keys)
	}
	if !effects.Store && !(len(unheard) > 0 && len(s.Live) == 0) {
		return nil
	}
	var more []coordination.Guard
	for _, id := range out {
		more = append(more, coordination.Missing(v.Keys.GroupMember(g.name, id)))
	}
	if taken {
		g.machine.Coordinator = Coordinates{Node: nobodyNode, Epoch: g.machine.Coordinator.Epoch + 1}
	}
	changes := []coordination.Change{coordination.PutKey(v.Keys.Group(g.name), g.machine.encode())}
	if len(unheard) > 0 {
		lease, err := v.KV.Grant(ctx, s.State.longestSession(unheard, v.Limits))
		if err != nil {
			return fmt.Errorf("%w: lease for members of group %q: %w", ErrUnavailable, g.name, err)
		}
		changes = append(changes, coordination.PutLeased(v.Keys.GroupGrace(g.name), []byte("{}"), lease.ID()))
	}
	return v.commit(ctx, g, more, changes...)
}

// longestSession is how long one of these members may be silent.
func (s *State) longestSession(ids []string, limits Limits) (d time.Duration) {
	for _, id := range ids {
		session := limits.ConsumerSession
		if member := s.Members[id]; member.Classic {
			session = time.Duration(member.SessionMs) * time.Millisecond
		}
		d = max(d, session)
	}
	return d
}
