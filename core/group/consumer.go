package group

import (
	"reflect"
	"slices"
	"time"
)

// ConsumerRequest is a ConsumerGroupHeartbeat (KIP-848).
type ConsumerRequest struct {
	MemberID, Instance, Client, Host string
	Epoch                            int32 // 0: join; leave, leaveStatic; else the member's
	// NewID is the member's id if it brings none.
	NewID string
	// Of the following, nil (RebalanceMs: -1) means that it is as it was.
	Rack        *string
	RebalanceMs int32
	Names       []string
	Regex       *string
	Assignor    *string
	Owned       Partitions
}

// Member epochs with a meaning of their own.
const (
	leaveEpoch  int32 = -1
	leaveStatic int32 = -2 // a static member that will be back: it keeps its partitions for a session
)

// ConsumerResult answers it.
type ConsumerResult struct {
	MemberID   string
	Epoch      int32
	Heartbeat  time.Duration
	Assignment *Partitions // nil: as it was
}

// full says that the request says everything, so that its answer does too.
func (r *ConsumerRequest) full() bool {
	return r.Epoch == 0 || r.RebalanceMs >= 0 && (r.Names != nil || r.Regex != nil) && r.Owned != nil
}

func (r *ConsumerRequest) check() error {
	switch {
	case r.Epoch < leaveStatic,
		r.MemberID == "",
		r.Epoch == leaveStatic && r.Instance == "",
		r.Epoch == 0 && (r.RebalanceMs < 0 || r.Names == nil && r.Regex == nil || r.Owned.count() > 0):
		return ErrInvalidRequest
	case r.Assignor != nil && *r.Assignor != "" && *r.Assignor != assignUniform && *r.Assignor != assignRange:
		return ErrUnsupportedAssignor
	case r.Regex != nil:
		_, err := compileTopics(*r.Regex)
		return err
	}
	return nil
}

// ConsumerHeartbeat takes a heartbeat in: the one request by which a KIP-848 member joins, says
// what it wants and has, learns what it gets, and leaves.
func (m *Machine) ConsumerHeartbeat(now time.Time, r ConsumerRequest, topics *Catalog) (ConsumerResult, error) {
	if r.MemberID == "" && r.Epoch == 0 {
		r.MemberID = r.NewID
	}
	if err := r.check(); err != nil {
		return ConsumerResult{}, err
	}
	if m.Kind == Classic && r.Epoch != 0 {
		return ConsumerResult{}, ErrUnknownMember
	}
	if r.Epoch < 0 {
		return m.leaveConsumer(now, &r, topics)
	}
	member, err := m.findConsumer(&r)
	if err != nil {
		return ConsumerResult{}, err
	}
	if m.Kind == Classic { // only for one who is let in
		if err := m.becomeConsumer(topics); err != nil {
			return ConsumerResult{}, err
		}
		if member != nil {
			member = m.Members[member.ID]
		}
	}
	member, before, changed := m.takeConsumer(&r, member)
	m.heard(now, member)
	m.advance(now, member, r.Owned, changed, topics)
	m.storeIfChanged(before, member)
	res := ConsumerResult{MemberID: member.ID, Epoch: member.Epoch, Heartbeat: m.limits.ConsumerHeartbeat}
	if r.full() || !before.Assigned.equal(member.Assigned) {
		assigned := member.Assigned // the member's own field changes with the next step
		res.Assignment = &assigned
		m.effects.Confirm = true
	}
	return res, nil
}

// findConsumer gives the member that the request is about; nil: a new one. A static one may come
// back under a new id only when its predecessor has said that it went, or was of the classic protocol, where
// static members do not say so.
func (m *Machine) findConsumer(r *ConsumerRequest) (*Member, error) {
	member := m.Members[r.MemberID]
	if static := m.byInstance(r.Instance); static != nil && static != member {
		switch {
		case r.Epoch != 0:
			return nil, ErrFencedInstance
		case static.Epoch != leaveStatic && !static.Classic:
			return nil, ErrUnreleasedInstance
		}
		return static, nil
	}
	switch {
	case member == nil && r.Epoch != 0:
		return nil, ErrUnknownMember
	case member == nil && m.full():
		return nil, ErrGroupFull
	case member == nil:
		return nil, nil
	}
	return member, checkEpoch(member, r)
}

// checkEpoch fences who is not at the member's epoch. One that joins anew owns nothing and may. One
// that is an epoch behind may, if it has no more than what it was given: the answer with the new epoch was lost.
func checkEpoch(member *Member, r *ConsumerRequest) error {
	switch {
	case r.Epoch == 0 || r.Epoch == member.Epoch:
		return nil
	case r.Epoch < member.Epoch && r.Epoch == member.Previous && r.Owned != nil && r.Owned.within(member.Assigned):
		return nil
	}
	return ErrFencedEpoch
}

// takeConsumer writes down what the request says of its member, which it makes if need be. changed
// says that the group must be assigned anew.
func (m *Machine) takeConsumer(r *ConsumerRequest, member *Member) (now *Member, before Member, changed bool) {
	switch {
	case member == nil:
		member, changed = &Member{ID: r.MemberID}, true
		m.add(member)
	case member.ID != r.MemberID:
		before = *member
		member = m.succeed(member, r.MemberID)
	default:
		before = *member
	}
	if member.Classic { // it has been upgraded, and kept its id
		member.Classic, member.Protocols, member.SessionMs = false, nil, 0
		m.answer(member, ErrUnknownMember)
		member.syncBy, member.rejoinBy = time.Time{}, time.Time{}
	}
	if member.Epoch == leaveStatic {
		member.Epoch, member.Previous = 0, 0
	}
	if r.Instance != "" {
		member.Instance = r.Instance
	}
	member.Client, member.Host = r.Client, r.Host
	if r.Rack != nil {
		member.Rack = *r.Rack
	}
	if r.RebalanceMs >= 0 {
		member.RebalanceMs = r.RebalanceMs
	}
	if r.Assignor != nil && *r.Assignor != member.Assignor {
		member.Assignor, changed = *r.Assignor, true
	}
	if names := sortedNames(r.Names); r.Names != nil && !slices.Equal(names, member.Names) {
		member.Names, changed = names, true
	}
	if r.Regex != nil && *r.Regex != member.Regex {
		member.Regex, changed = *r.Regex, true
	}
	return member, before, changed
}

func sortedNames(names []string) []string {
	names = slices.Sorted(slices.Values(names))
	return slices.Compact(names)
}

// succeed puts a new member in the place of a static one: it has what that one had.
func (m *Machine) succeed(old *Member, id string) *Member {
	m.answer(old, ErrFencedInstance)
	member := *old
	member.ID, member.volatile = id, volatile{}
	member.Epoch, member.Previous = 0, 0
	delete(m.Members, old.ID)
	m.add(&member)
	if target, ok := m.Target[old.ID]; ok {
		delete(m.Target, old.ID)
		m.Target[id] = target
	}
	return &member
}

// advance brings the group, then the member, as far as it can go now.
func (m *Machine) advance(now time.Time, member *Member, owned Partitions, changed bool, topics *Catalog) {
	m.retarget(changed, topics)
	m.reconcile(now, member, owned)
}

// storeIfChanged compares what is stored of a member.
func (m *Machine) storeIfChanged(before Member, member *Member) {
	after := *member
	before.volatile, after.volatile = volatile{}, volatile{}
	if !reflect.DeepEqual(before, after) {
		m.store()
	}
}

// leaveConsumer takes a member out, or marks that a static one will be back.
func (m *Machine) leaveConsumer(now time.Time, r *ConsumerRequest, topics *Catalog) (ConsumerResult, error) {
	member := m.Members[r.MemberID]
	if static := m.byInstance(r.Instance); static != nil && static != member {
		return ConsumerResult{}, ErrFencedInstance
	}
	if member == nil {
		return ConsumerResult{}, ErrUnknownMember
	}
	if r.Epoch == leaveStatic {
		member.Epoch, member.Revoking, member.rejoinBy = leaveStatic, nil, time.Time{}
		m.heard(now, member)
		m.store()
	} else {
		m.remove(now, member, ErrUnknownMember)
		m.shrunk(now, topics)
	}
	return ConsumerResult{MemberID: r.MemberID, Epoch: r.Epoch, Heartbeat: m.limits.ConsumerHeartbeat}, nil
}

// shrunk: members of a consumer group have gone, in whatever way.
func (m *Machine) shrunk(now time.Time, topics *Catalog) {
	m.store()
	if len(m.Members) == 0 {
		m.Generation++
		m.TargetEpoch, m.Target, m.Topics = m.Generation, nil, 0
		return
	}
	if m.allClassic() {
		m.downgrade(now, topics)
		return
	}
	m.retarget(true, topics)
}
