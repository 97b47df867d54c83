package group

import (
	"slices"

	"github.com/firnlog/firnlog/core/record"
)

// Description is a group as administrators see it.
type Description struct {
	Group                            string
	Kind                             Kind
	Phase                            Phase
	ProtocolType, Protocol, Assignor string
	Generation, TargetEpoch          int32
	Members                          []MemberDescription // by id
}

// MemberDescription is one member of it.
type MemberDescription struct {
	ID, Instance, Client, Host, Rack string
	Classic                          bool
	Metadata, Assignment             []byte // in a classic group
	Epoch                            int32
	Names                            []string
	Regex                            string
	Assigned, Target                 []TopicPartitions
}

// TopicPartitions are partitions of one topic, with its name.
type TopicPartitions struct {
	ID         record.TopicID
	Name       string
	Partitions []int32
}

// describe shows a state in a phase.
func (s *State) describe(name string, phase Phase, topics *Catalog) Description {
	d := Description{
		Group: name, Kind: s.Kind, Phase: phase, ProtocolType: s.ProtocolType, Protocol: s.Protocol, Assignor: s.Assignor,
		Generation: s.Generation, TargetEpoch: s.TargetEpoch,
	}
	for _, id := range s.ids() {
		m := s.Members[id]
		one := MemberDescription{
			ID: id, Instance: m.Instance, Client: m.Client, Host: m.Host, Rack: m.Rack, Classic: m.Classic,
			Epoch: m.Epoch, Names: m.Names, Regex: m.Regex, Assigned: m.Assigned.named(topics), Target: s.Target[id].named(topics),
		}
		if phase == Stable || phase == Completing {
			one.Metadata, one.Assignment = m.metadata(s.Protocol), m.Assignment
		}
		d.Members = append(d.Members, one)
	}
	return d
}

func (p Partitions) named(topics *Catalog) (out []TopicPartitions) {
	for _, id := range p.Topics() {
		if t, ok := topics.id(id); ok {
			out = append(out, TopicPartitions{ID: id, Name: t.Name, Partitions: slices.Clone(p[id])})
		}
	}
	return out
}

// CommitCheck is who commits offsets, or (a KIP-848 member) reads them.
type CommitCheck struct {
	MemberID, Instance string
	Generation         int32 // of a classic member; the member epoch of a KIP-848 one; -1: no member
	// NewErrors: the client knows GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH here (OffsetCommit from version 9 on).
	NewErrors bool
}

// CheckCommit says whether offsets may be committed.
func (m *Machine) CheckCommit(r CommitCheck) error {
	member := r.MemberID != "" || r.Instance != "" || r.Generation >= 0
	switch {
	case !m.stored && len(m.Members) == 0 && r.Generation >= 0 && r.NewErrors:
		return ErrUnknownGroup
	case !m.stored && len(m.Members) == 0 && r.Generation >= 0:
		return ErrIllegalGeneration
	case len(m.Members) == 0 && r.Generation < 0:
		return nil // by an administrator, or by somebody who uses no membership at all
	case !member:
		return ErrUnknownMember
	}
	who, err := m.who(r.MemberID, r.Instance)
	switch {
	case err != nil:
		return err
	case m.Kind == Consumer && who.Classic:
		if r.Generation != who.Epoch {
			return ErrIllegalGeneration
		}
		return nil
	case m.Kind == Consumer && !r.NewErrors:
		return ErrOldCommit
	case m.Kind == Consumer:
		if r.Generation != who.Epoch {
			return ErrStaleEpoch
		}
		return nil
	case r.Generation != m.Generation:
		return ErrIllegalGeneration
	case m.Current() == Completing:
		return ErrRebalanceInProgress
	}
	return nil
}

// CheckFetch says whether a KIP-848 member may read offsets: not with an epoch that is over. Whoever
// does not say who it is may always.
func (m *Machine) CheckFetch(memberID string, epoch int32) error {
	if m.Kind != Consumer || memberID == "" && epoch < 0 {
		return nil
	}
	switch member := m.Members[memberID]; {
	case member == nil:
		return ErrUnknownMember
	case member.Classic && member.Epoch != epoch:
		return ErrIllegalGeneration
	case member.Epoch != epoch:
		return ErrStaleEpoch
	}
	return nil
}
