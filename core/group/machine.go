package group

import (
	"time"
)

// Machine is one group in the memory of its coordinator: the stored state, and sessions, parked requests and a rebalance
// being prepared beside it. It is pure: it reads no clock, starts nothing, and whatever shall happen outside is in its
// Effects.
type Machine struct {
	State
	limits Limits

	rebalance *rebalance           // of a classic group, being prepared; nil: none
	pending   map[string]time.Time // ids given out with ErrMemberIDRequired, and until when they may join
	effects   Effects
	stored    bool     // it is in etcd
	seen      *Catalog // the topics that Target was last compared with
}

// Limits are what the operator sets.
type Limits struct {
	SessionMin, SessionMax time.Duration // of classic members
	InitialDelay           time.Duration // how long the first rebalance of an empty classic group waits for more members
	MembersMax             int           // of one group; 0: no limit
	ConsumerSession        time.Duration // of KIP-848 members
	ConsumerHeartbeat      time.Duration // what they are told
}

// DefaultLimits are Kafka's.
func DefaultLimits() Limits {
	return Limits{
		SessionMin: 6 * time.Second, SessionMax: 30 * time.Minute, InitialDelay: 3 * time.Second,
		ConsumerSession: 45 * time.Second, ConsumerHeartbeat: 5 * time.Second,
	}
}

// rebalance waits for members to join.
type rebalance struct {
	by time.Time // who has not joined is out
	// Of the first rebalance of an empty group: it is put off while members come, until latest.
	initial bool
	grown   bool
	latest  time.Time
}

// Ticket names a request that waits for its reply.
type Ticket uint64

// Effects are what a step asks for. Replies may go only after what Store asks for is done.
type Effects struct {
	Store bool
	// Confirm: a reply tells a generation or an assignment that this step does not store. So before it
	// goes it must be sure that no other coordinator has changed the group.
	Confirm bool
	Replies []Reply
}

// Reply answers a ticket: exactly one of Join and Sync is set.
type Reply struct {
	Ticket Ticket
	Join   *JoinResult
	Sync   *SyncResult
}

// NewMachine begins with a state as it was read; nil: the group is not there. All sessions begin now.
func NewMachine(s *State, limits Limits, now time.Time) *Machine {
	stored := s != nil
	if !stored {
		s = newState()
	}
	m := &Machine{State: *s, limits: limits, pending: map[string]time.Time{}, stored: stored}
	m.RestartSessions(now)
	return m
}

// RestartSessions gives every member a full session from now on: nobody's heartbeats could be heard before.
func (m *Machine) RestartSessions(now time.Time) {
	for _, member := range m.Members {
		m.heard(now, member)
		switch {
		case m.Kind == Consumer && len(member.Revoking) > 0:
			member.rejoinBy = now.Add(rebalanceTime(member))
		case m.Kind == Classic && m.Phase == Completing && member.sync == 0:
			member.syncBy = now.Add(m.rebalanceTimeout())
		}
	}
	if r := m.rebalance; r != nil {
		r.by = now.Add(m.rebalanceTimeout())
		r.latest = r.by
	}
}

// Take gives the effects collected since the last call.
func (m *Machine) Take() Effects {
	e := m.effects
	m.effects = Effects{}
	return e
}

func (m *Machine) store() { m.effects.Store = true }

// heard begins a member's session anew.
func (m *Machine) heard(now time.Time, member *Member) {
	d := m.limits.ConsumerSession
	if member.Classic {
		d = time.Duration(member.SessionMs) * time.Millisecond
	}
	member.session = now.Add(d)
}

func rebalanceTime(member *Member) time.Duration {
	return time.Duration(member.RebalanceMs) * time.Millisecond
}

// Current is the phase as clients are told.
func (m *Machine) Current() Phase {
	if m.rebalance != nil {
		return Preparing
	}
	return m.State.current()
}

// current is the phase as far as it is stored.
func (s *State) current() Phase {
	if s.Kind == Classic {
		return s.Phase
	}
	switch {
	case len(s.Members) == 0:
		return Empty
	case s.Generation > s.TargetEpoch:
		return Assigning
	}
	for _, member := range s.Members {
		if !s.settled(member) {
			return Reconciling
		}
	}
	return Stable
}

// Vacant says that nothing would be lost if this group were forgotten: it is not stored, and nobody waits.
func (m *Machine) Vacant() bool {
	return len(m.Members) == 0 && len(m.pending) == 0 && m.rebalance == nil && !m.stored
}

// Deadline is when Tick has something to do; ok is false when never.
func (m *Machine) Deadline() (first time.Time, ok bool) {
	take := func(t time.Time) {
		if !t.IsZero() && (!ok || t.Before(first)) {
			first, ok = t, true
		}
	}
	for _, t := range m.pending {
		take(t)
	}
	for _, member := range m.Members {
		if !member.parked() {
			take(member.session)
		}
		take(member.rejoinBy)
		take(member.syncBy)
	}
	if m.rebalance != nil {
		take(m.rebalance.by)
	}
	return first, ok
}

// parked says that the member waits for us: it cannot heartbeat meanwhile.
func (member *Member) parked() bool { return member.join != 0 || member.sync != 0 }

// Tick does what is due at now.
func (m *Machine) Tick(now time.Time, topics *Catalog) {
	due := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	for id, until := range m.pending {
		if due(until) {
			delete(m.pending, id)
		}
	}
	gone := false
	for _, id := range m.ids() {
		member := m.Members[id]
		if due(member.session) && !member.parked() || due(member.rejoinBy) || due(member.syncBy) {
			m.remove(now, member, ErrUnknownMember)
			gone = true
		}
	}
	switch {
	case m.Kind == Consumer:
		if gone {
			m.shrunk(now, topics)
		}
	case gone:
		m.afterLeave(now)
	case m.rebalance != nil && due(m.rebalance.by):
		m.rebalanceDue(now)
	default:
		m.tryComplete(now)
	}
}

// remove takes a member out; its parked requests fail with err. What follows for the group is the caller's.
func (m *Machine) remove(now time.Time, member *Member, err error) {
	m.answer(member, err)
	delete(m.Members, member.ID)
	delete(m.Target, member.ID)
	if m.Leader == member.ID {
		m.Leader = ""
	}
	if len(m.Members) == 0 {
		m.EmptySince = now
	}
}

// answer fails a member's parked requests.
func (m *Machine) answer(member *Member, err error) {
	if member.join != 0 {
		m.replyJoin(member.join, JoinResult{Err: err, MemberID: member.ID, Generation: -1})
		member.join = 0
	}
	if member.sync != 0 {
		m.replySync(member.sync, SyncResult{Err: err})
		member.sync = 0
	}
}

func (m *Machine) replyJoin(t Ticket, r JoinResult) {
	m.effects.Replies = append(m.effects.Replies, Reply{Ticket: t, Join: &r})
}

func (m *Machine) replySync(t Ticket, r SyncResult) {
	m.effects.Replies = append(m.effects.Replies, Reply{Ticket: t, Sync: &r})
}

// Abandon says that the client of a parked request has gone: its session counts from now on.
func (m *Machine) Abandon(now time.Time, t Ticket) {
	for _, member := range m.Members {
		if member.join == t {
			member.join = 0
			m.heard(now, member)
		}
		if member.sync == t {
			member.sync = 0
			m.heard(now, member)
		}
	}
}
