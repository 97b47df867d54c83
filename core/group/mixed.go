package group

import (
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

// consumerType is the protocol type of consumers; the bytes of other types (Connect's) are opaque.
const consumerType = "consumer"

// Classic members in a consumer group (KIP-848): JoinGroup tells what they want and have, and its
// generation is the member epoch. There is no leader, SyncGroup gives what the server assigned, and a Heartbeat
// sends them to join again whenever they have to give up or get something.

// joinMixed answers at once: nobody is waited for.
func (m *Machine) joinMixed(now time.Time, t Ticket, r *JoinRequest, topics *Catalog) error {
	if err := m.checkJoin(r); err != nil {
		return err
	}
	if r.ProtocolType != consumerType || !m.fits(r) {
		return ErrInconsistentProtocol
	}
	wants := kmsg.NewConsumerMemberMetadata()
	if err := wants.ReadFrom(r.Protocols[0].Metadata); err != nil {
		return ErrInconsistentProtocol
	}
	member, changed, err := m.findMixed(r)
	if err != nil {
		return err
	}
	before := *member
	if !member.Classic { // it has been downgraded
		member.Classic, member.Regex, member.Assignor, changed = true, "", "", true
	}
	if member.Epoch < 0 {
		member.Epoch, member.Previous = 0, 0
	}
	m.describeJoin(r, member)
	if names := sortedNames(wants.Topics); !slices.Equal(names, member.Names) {
		member.Names, changed = names, true
	}
	m.heard(now, member)
	member.rejoinBy = time.Time{}
	m.advance(now, member, ownedOf(&wants, topics), changed, topics)
	m.storeIfChanged(before, member)
	member.syncBy = now.Add(max(rebalanceTime(member), time.Second))
	m.replyJoin(t, JoinResult{MemberID: member.ID, Generation: member.Epoch, ProtocolType: consumerType, Protocol: member.Protocols[0].Name})
	if m.allClassic() {
		m.downgrade(now, topics)
	}
	return nil
}

// findMixed gives the member that joins, which it makes if need be.
func (m *Machine) findMixed(r *JoinRequest) (member *Member, made bool, err error) {
	static := m.byInstance(r.Instance)
	switch {
	case static != nil && r.MemberID == "":
		return m.succeed(static, r.NewID), false, nil
	case static != nil && static.ID != r.MemberID:
		return nil, false, ErrFencedInstance
	case r.MemberID != "":
		if member = m.Members[r.MemberID]; member == nil {
			return nil, false, ErrUnknownMember
		}
		return member, false, nil
	case m.full():
		return nil, false, ErrGroupFull
	}
	member = &Member{ID: r.NewID, Instance: r.Instance, Classic: true}
	m.add(member)
	return member, true, nil
}

// ownedOf is what a classic member says it has. One that gives up everything before it joins says nothing, and has nothing.
func ownedOf(wants *kmsg.ConsumerMemberMetadata, topics *Catalog) Partitions {
	return Gather(func(add func(record.TopicID, ...int32)) {
		for _, o := range wants.OwnedPartitions {
			if t, ok := topics.name(o.Topic); ok {
				add(t.ID, o.Partitions...)
			}
		}
	})
}

func (m *Machine) syncMixed(now time.Time, t Ticket, r *SyncRequest, topics *Catalog) error {
	member, err := m.who(r.MemberID, r.Instance)
	switch {
	case err != nil:
		return err
	case !member.Classic:
		return ErrUnknownMember
	case r.Generation != member.Epoch:
		return ErrIllegalGeneration
	case r.ProtocolType != nil && *r.ProtocolType != consumerType, r.Protocol != nil && *r.Protocol != member.Protocols[0].Name:
		return ErrInconsistentProtocol
	case m.Generation > member.Epoch && len(member.Revoking) == 0:
		m.mustRejoin(now, member)
		return ErrRebalanceInProgress
	}
	member.syncBy = time.Time{}
	m.heard(now, member)
	m.effects.Confirm = true
	m.replySync(t, SyncResult{ProtocolType: consumerType, Protocol: member.Protocols[0].Name, Assignment: encodeAssignment(member.Assigned, topics)})
	return nil
}

func (m *Machine) heartbeatMixed(now time.Time, member *Member, generation int32) error {
	switch {
	case !member.Classic:
		return ErrUnknownMember
	case generation != member.Epoch:
		return ErrIllegalGeneration
	}
	m.heard(now, member)
	if member.Epoch < m.Generation || len(member.Revoking) > 0 || member.Unrelease && !m.waits(member) {
		m.mustRejoin(now, member)
		return ErrRebalanceInProgress
	}
	return nil
}

func (m *Machine) mustRejoin(now time.Time, member *Member) {
	if member.rejoinBy.IsZero() {
		member.rejoinBy = now.Add(max(rebalanceTime(member), time.Second))
	}
}

func (m *Machine) allClassic() bool {
	for _, member := range m.Members {
		if !member.Classic {
			return false
		}
	}
	return len(m.Members) > 0
}

// encodeAssignment writes what a member has as clients of the classic protocol read it.
func encodeAssignment(p Partitions, topics *Catalog) []byte {
	a := kmsg.NewConsumerMemberAssignment()
	for _, id := range p.Topics() {
		if t, ok := topics.id(id); ok {
			one := kmsg.NewConsumerMemberAssignmentTopic()
			one.Topic, one.Partitions = t.Name, p[id]
			a.Topics = append(a.Topics, one)
		}
	}
	return a.AppendTo(nil)
}

func decodeAssignment(b []byte, topics *Catalog) (Partitions, error) {
	if len(b) == 0 {
		return Partitions{}, nil
	}
	a := kmsg.NewConsumerMemberAssignment()
	if err := a.ReadFrom(b); err != nil {
		return nil, err
	}
	return Gather(func(add func(record.TopicID, ...int32)) {
		for _, one := range a.Topics {
			if t, ok := topics.name(one.Topic); ok {
				add(t.ID, one.Partitions...)
			}
		}
	}), nil
}

// becomeClassic: a consumer group without members is used by a classic one.
func (m *Machine) becomeClassic() {
	m.Kind, m.Phase, m.ProtocolType, m.Protocol, m.Leader = Classic, Empty, "", "", ""
	m.TargetEpoch, m.Target, m.Assignor, m.Topics = 0, nil, "", 0
	m.Members = nil
	m.store()
}

// becomeConsumer: the first KIP-848 member joins a classic group. Its members stay: each has what the leader gave it, and
// the group epoch goes on from the generation. Those who wait are sent to join again.
func (m *Machine) becomeConsumer(topics *Catalog) error {
	if len(m.Members) == 0 && m.rebalance == nil {
		m.convert(nil)
		return nil
	}
	if m.ProtocolType != consumerType {
		return ErrInconsistentProtocol
	}
	upgraded := map[string]*Member{}
	taken := Partitions{}
	for _, id := range m.ids() {
		member := *m.Members[id]
		wants := kmsg.NewConsumerMemberMetadata()
		assigned, err := decodeAssignment(member.Assignment, topics)
		if err != nil || wants.ReadFrom(member.Protocols[0].Metadata) != nil {
			return ErrInconsistentProtocol
		}
		member.Names, member.Assignment = sortedNames(wants.Topics), nil
		member.Epoch, member.Assigned = m.Generation, assigned.without(taken) // a leader's mistake would give one twice
		taken = taken.plus(assigned)
		upgraded[id] = &member
	}
	for id, member := range m.Members {
		m.answer(member, ErrRebalanceInProgress)
		upgraded[id].volatile = member.volatile
		upgraded[id].syncBy = time.Time{}
	}
	m.convert(upgraded)
	return nil
}

func (m *Machine) convert(members map[string]*Member) {
	m.Kind, m.Phase, m.Protocol, m.Leader, m.ProtocolType = Consumer, "", "", "", consumerType
	m.rebalance, m.Members, m.Target = nil, members, map[string]Partitions{}
	clear(m.pending)
	for id, member := range members {
		m.Target[id] = maps.Clone(member.Assigned)
	}
	m.TargetEpoch, m.Topics = m.Generation, 0
	m.store()
}

// downgrade: the last KIP-848 member has gone, and the classic ones go on among themselves, from the group epoch on.
func (m *Machine) downgrade(now time.Time, topics *Catalog) {
	m.Kind, m.Phase, m.ProtocolType = Classic, Stable, consumerType
	m.Generation++
	for _, member := range m.Members {
		member.Assignment = encodeAssignment(member.Assigned.plus(member.Revoking), topics)
		member.Assigned, member.Revoking, member.Unrelease = nil, nil, false
		member.Epoch, member.Previous, member.Names = 0, 0, nil
		member.rejoinBy, member.syncBy = time.Time{}, time.Time{}
	}
	m.Protocol, m.Leader = m.vote(), m.ids()[0]
	m.TargetEpoch, m.Target, m.Assignor, m.Topics = 0, nil, "", 0
	m.store()
	m.prepare(now)
}

// Subscribed says that members consume a topic: its offsets are in use.
func (m *Machine) Subscribed(topic record.TopicID, topics *Catalog) bool {
	if m.Kind == Consumer {
		_, all := m.subscriptions(topics)
		return slices.ContainsFunc(all, func(t Topic) bool { return t.ID == topic })
	}
	t, ok := topics.id(topic)
	for _, member := range m.Members {
		wants := kmsg.NewConsumerMemberMetadata()
		if m.ProtocolType != consumerType || len(member.Protocols) == 0 {
			return true // who knows
		}
		metadata := member.metadata(m.Protocol)
		if metadata == nil {
			metadata = member.Protocols[0].Metadata
		}
		if wants.ReadFrom(metadata) != nil || ok && slices.Contains(wants.Topics, t.Name) {
			return true
		}
	}
	return false
}
