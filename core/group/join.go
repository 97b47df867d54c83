package group

import (
	"bytes"
	"errors"
	"slices"
	"time"
)

// JoinRequest is a JoinGroup of the classic protocol.
type JoinRequest struct {
	MemberID, Instance, Client, Host string
	SessionMs, RebalanceMs           int32
	ProtocolType                     string
	Protocols                        []Protocol
	// NewID is the id that the member gets if it has none: never used before.
	NewID string
	// NeedsID: a member without id must come again with the one it is given (KIP-394, from version 4 on).
	NeedsID bool
	// MaySkip: the client understands SkipAssignment (KIP-814, from version 9 on).
	MaySkip bool
}

// JoinResult answers it.
type JoinResult struct {
	Err                    error
	MemberID               string
	Generation             int32
	ProtocolType, Protocol string
	Leader                 string
	SkipAssignment         bool
	Members                []JoinedMember // for the leader
}

// JoinedMember is what the leader learns of a member.
type JoinedMember struct {
	ID, Instance string
	Metadata     []byte
}

// Join takes a JoinGroup in. Its reply comes with this step's effects or with those of a later one.
func (m *Machine) Join(now time.Time, t Ticket, r JoinRequest, topics *Catalog) {
	if _, known := m.pending[r.MemberID]; m.Kind == Consumer && len(m.Members) == 0 && (known || r.MemberID == "") && m.checkJoin(&r) == nil {
		m.becomeClassic()
	}
	var err error
	if m.Kind == Consumer {
		err = m.joinMixed(now, t, &r, topics)
	} else {
		err = m.join(now, t, &r)
	}
	if err != nil {
		id := r.MemberID
		if errors.Is(err, ErrMemberIDRequired) {
			id = r.NewID
		}
		m.replyJoin(t, JoinResult{Err: err, MemberID: id, Generation: -1})
	}
}

// checkJoin holds for groups of both kinds.
func (m *Machine) checkJoin(r *JoinRequest) error {
	session := time.Duration(r.SessionMs) * time.Millisecond
	switch {
	case session < m.limits.SessionMin || session > m.limits.SessionMax:
		return ErrInvalidSession
	case r.ProtocolType == "" || len(r.Protocols) == 0:
		return ErrInconsistentProtocol
	}
	return nil
}

func (m *Machine) join(now time.Time, t Ticket, r *JoinRequest) error {
	if err := m.checkJoin(r); err != nil {
		return err
	}
	if len(m.Members) > 0 && (r.ProtocolType != m.ProtocolType || !m.fits(r)) {
		return ErrInconsistentProtocol
	}
	known := m.byInstance(r.Instance)
	switch {
	case r.MemberID == "" && known != nil:
		return m.replaceStatic(now, t, r, known)
	case r.MemberID == "":
		return m.joinNew(now, t, r)
	case known != nil && known.ID != r.MemberID:
		return ErrFencedInstance
	}
	if member := m.Members[r.MemberID]; member != nil && member.Instance == r.Instance {
		m.rejoin(now, t, r, member)
		return nil
	}
	if _, ok := m.pending[r.MemberID]; !ok || r.Instance != "" {
		return ErrUnknownMember
	}
	if m.full() {
		return ErrGroupFull
	}
	delete(m.pending, r.MemberID)
	m.admit(now, t, r, r.MemberID)
	return nil
}

func (m *Machine) full() bool {
	return m.limits.MembersMax > 0 && len(m.Members) >= m.limits.MembersMax
}

// fits says that the group and the one who joins have a protocol in common. A static member that comes back does not
// count against itself.
func (m *Machine) fits(r *JoinRequest) bool {
	common := m.common(func(member *Member) bool {
		return member.ID != r.MemberID && (r.Instance == "" || member.Instance != r.Instance)
	})
	if common == nil {
		return true
	}
	return slices.ContainsFunc(r.Protocols, func(p Protocol) bool { return common[p.Name] })
}

// common are the protocols that all of these members have; nil when there are no such members.
func (m *Machine) common(which func(*Member) bool) map[string]bool {
	times, members := map[string]int{}, 0
	for _, member := range m.Members {
		if !member.Classic || !which(member) {
			continue
		}
		members++
		for _, p := range member.Protocols {
			times[p.Name]++
		}
	}
	if members == 0 {
		return nil
	}
	out := map[string]bool{}
	for name, n := range times {
		if n == members {
			out[name] = true
		}
	}
	return out
}

// joinNew takes a member without id.
func (m *Machine) joinNew(now time.Time, t Ticket, r *JoinRequest) error {
	if m.full() {
		return ErrGroupFull
	}
	if r.NeedsID && r.Instance == "" {
		m.pending[r.NewID] = now.Add(time.Duration(r.SessionMs) * time.Millisecond)
		return ErrMemberIDRequired
	}
	m.admit(now, t, r, r.NewID)
	return nil
}

// admit adds a member, which makes a rebalance necessary.
func (m *Machine) admit(now time.Time, t Ticket, r *JoinRequest, id string) {
	member := &Member{ID: id, Instance: r.Instance, Classic: true}
	m.add(member)
	if m.ProtocolType == "" || len(m.Members) == 1 {
		m.ProtocolType = r.ProtocolType
	}
	if m.Leader == "" {
		m.Leader = id
	}
	m.takeJoin(now, t, r, member)
	if m.rebalance != nil {
		m.rebalance.grown = true
	}
	m.prepare(now)
}

// takeJoin writes down what a JoinGroup says of a member, and parks it.
func (m *Machine) takeJoin(now time.Time, t Ticket, r *JoinRequest, member *Member) {
	m.describeJoin(r, member)
	if member.join != 0 { // it has sent another one before
		m.replyJoin(member.join, JoinResult{Err: ErrRebalanceInProgress, MemberID: member.ID, Generation: -1})
	}
	member.join = t
	m.heard(now, member)
}

func (m *Machine) describeJoin(r *JoinRequest, member *Member) {
	member.Client, member.Host = r.Client, r.Host
	member.SessionMs, member.RebalanceMs = r.SessionMs, max(r.RebalanceMs, 0)
	member.Protocols = r.Protocols
}

// rejoin takes a member that is in the group already. Where it changes nothing, it learns the
// generation that is.
func (m *Machine) rejoin(now time.Time, t Ticket, r *JoinRequest, member *Member) {
	same := slices.EqualFunc(member.Protocols, r.Protocols, func(a, b Protocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
	current := m.Current()
	if same && (current == Completing || current == Stable && member.ID != m.Leader) {
		m.heard(now, member)
		m.effects.Confirm = true
		m.replyJoin(t, m.joined(member))
		return
	}
	m.takeJoin(now, t, r, member)
	m.prepare(now)
}

// joined tells a member of the current generation.
func (m *Machine) joined(member *Member) JoinResult {
	res := JoinResult{
		MemberID: member.ID, Generation: m.Generation, ProtocolType: m.ProtocolType, Protocol: m.Protocol, Leader: m.Leader,
	}
	if member.ID == m.Leader {
		for _, id := range m.ids() {
			other := m.Members[id]
			res.Members = append(res.Members, JoinedMember{ID: id, Instance: other.Instance, Metadata: other.metadata(m.Protocol)})
		}
	}
	return res
}

func (member *Member) metadata(protocol string) []byte {
	for _, p := range member.Protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return nil
}

// replaceStatic: a static member has started anew (KIP-345). It takes the place of its
// predecessor, who is fenced, under a new id. In a stable group whose protocol stays as it is nobody
// has to rebalance; a leader is then told not to assign, either by SkipAssignment or, when it does not know
// that, by being shown its old id as the leader's.
func (m *Machine) replaceStatic(now time.Time, t Ticket, r *JoinRequest, old *Member) error {
	m.answer(old, ErrFencedInstance)
	leader := m.Leader
	member := &Member{ID: r.NewID, Instance: r.Instance, Classic: true, Assignment: old.Assignment}
	member.syncBy = old.syncBy
	before := old.metadata(m.Protocol)
	delete(m.Members, old.ID)
	m.add(member)
	if leader == old.ID {
		m.Leader = member.ID
	}
	m.describeJoin(r, member)
	m.heard(now, member)
	if m.Current() != Stable || m.vote() != m.Protocol || !bytes.Equal(before, member.metadata(m.Protocol)) {
		m.takeJoin(now, t, r, member)
		if m.Current() == Stable || m.Current() == Completing {
			m.store() // so that the old id is fenced whoever coordinates next
		}
		m.prepare(now)
		return nil
	}
	m.store()
	res := m.joined(member)
	switch {
	case r.MaySkip:
		res.SkipAssignment = member.ID == m.Leader
	default:
		res.Leader, res.Members = leader, nil
	}
	m.replyJoin(t, res)
	return nil
}
