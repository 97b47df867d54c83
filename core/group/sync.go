package group

import "time"

// SyncRequest is a SyncGroup of the classic protocol.
type SyncRequest struct {
	MemberID, Instance string
	Generation         int32
	// ProtocolType and Protocol are compared where they are given (from version 5 on).
	ProtocolType, Protocol *string
	Assignments            map[string][]byte // from the leader
}

// SyncResult answers it.
type SyncResult struct {
	Err                    error
	ProtocolType, Protocol string
	Assignment             []byte
}

// HeartbeatRequest is a Heartbeat of the classic protocol.
type HeartbeatRequest struct {
	MemberID, Instance string
	Generation         int32
}

// LeaveRequest names one member that leaves: by its id, or (from version 3 on) by its instance id.
type LeaveRequest struct{ MemberID, Instance string }

// who finds the member that a request comes from.
func (m *Machine) who(id, instance string) (*Member, error) {
	if static := m.byInstance(instance); static != nil && static.ID != id {
		return nil, ErrFencedInstance
	}
	member := m.Members[id]
	if member == nil || instance != "" && member.Instance != instance {
		return nil, ErrUnknownMember
	}
	return member, nil
}

// Sync takes a SyncGroup in. Its reply comes with this step's effects or with those of a later one.
func (m *Machine) Sync(now time.Time, t Ticket, r SyncRequest, topics *Catalog) {
	var err error
	if m.Kind == Consumer {
		err = m.syncMixed(now, t, &r, topics)
	} else {
		err = m.sync(now, t, &r)
	}
	if err != nil {
		m.replySync(t, SyncResult{Err: err})
	}
}

func (m *Machine) sync(now time.Time, t Ticket, r *SyncRequest) error {
	member, err := m.who(r.MemberID, r.Instance)
	switch {
	case err != nil:
		return err
	case r.Generation != m.Generation:
		return ErrIllegalGeneration
	case r.ProtocolType != nil && *r.ProtocolType != m.ProtocolType, r.Protocol != nil && *r.Protocol != m.Protocol:
		return ErrInconsistentProtocol
	}
	switch m.Current() {
	case Preparing:
		return ErrRebalanceInProgress
	case Completing:
		if member.sync != 0 {
			m.replySync(member.sync, SyncResult{Err: ErrRebalanceInProgress})
		}
		member.sync, member.syncBy = t, time.Time{}
		if member.ID == m.Leader {
			m.assigned(now, r.Assignments)
		}
	case Stable:
		member.syncBy = time.Time{} // the leader was faster
		m.heard(now, member)
		m.effects.Confirm = true
		m.replySync(t, m.synced(member))
	default:
		return ErrUnknownMember
	}
	return nil
}

// assigned takes the leader's assignment and tells who waits for it.
func (m *Machine) assigned(now time.Time, assignments map[string][]byte) {
	m.Phase = Stable
	m.store()
	for _, id := range m.ids() {
		member := m.Members[id]
		member.Assignment = assignments[id]
		if member.sync != 0 {
			m.replySync(member.sync, m.synced(member))
			member.sync = 0
			m.heard(now, member)
		}
	}
}

func (m *Machine) synced(member *Member) SyncResult {
	return SyncResult{ProtocolType: m.ProtocolType, Protocol: m.Protocol, Assignment: member.Assignment}
}

// Heartbeat keeps a classic member's session, and tells it when it has to join again.
func (m *Machine) Heartbeat(now time.Time, r HeartbeatRequest) error {
	member, err := m.who(r.MemberID, r.Instance)
	if err != nil {
		return err
	}
	if m.Kind == Consumer {
		return m.heartbeatMixed(now, member, r.Generation)
	}
	if r.Generation != m.Generation {
		return ErrIllegalGeneration
	}
	m.heard(now, member)
	if m.Current() == Preparing {
		return ErrRebalanceInProgress
	}
	return nil
}

// Leave takes members out, and says for each what came of it.
func (m *Machine) Leave(now time.Time, members []LeaveRequest, topics *Catalog) []error {
	errs := make([]error, len(members))
	left := false
	for i, r := range members {
		member := m.byInstance(r.Instance)
		switch {
		case r.Instance == "":
			member = m.Members[r.MemberID]
		case member != nil && r.MemberID != "" && r.MemberID != member.ID:
			errs[i] = ErrFencedInstance
			continue
		}
		if member == nil {
			if _, ok := m.pending[r.MemberID]; ok && r.Instance == "" {
				delete(m.pending, r.MemberID)
				left = true
				continue
			}
			errs[i] = ErrUnknownMember
			continue
		}
		m.remove(now, member, ErrUnknownMember)
		left = true
	}
	switch {
	case !left:
	case m.Kind == Consumer:
		m.shrunk(now, topics)
	default:
		m.afterLeave(now)
	}
	return errs
}
