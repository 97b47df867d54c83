package group

import (
	"time"

	"github.com/firnlog/firnlog/core/record"
)

// A member of a consumer group goes from what it has (Assigned, at Epoch) to what it shall have
// (Target, at TargetEpoch):
//
//	has too much  → it is told to give that up (Revoking) and keeps its epoch until it has
//	has to wait   → others have still to give up what it shall get: new epoch, with what is free (Unrelease)
//	has it all    → new epoch, settled
//
// What it is told is stored first; so no partition is ever with two members.

// settled says that a member has what it shall have.
func (s *State) settled(member *Member) bool {
	return member.Epoch == s.TargetEpoch && len(member.Revoking) == 0 && !member.Unrelease
}

// reconcile takes a member as far as it can go. owned is what it says it has; nil: it does not say.
func (m *Machine) reconcile(now time.Time, member *Member, owned Partitions) {
	defer func() {
		switch {
		case len(member.Revoking) == 0:
			member.rejoinBy = time.Time{}
		case member.rejoinBy.IsZero():
			member.rejoinBy = now.Add(rebalanceTime(member))
		}
	}()
	if m.settled(member) {
		return
	}
	if len(member.Revoking) > 0 && (owned == nil || owned.both(member.Revoking).count() > 0) {
		return // it has not given up yet
	}
	target := m.Target[member.ID]
	keep := member.Assigned.both(target)
	revoke := member.Assigned.without(target)
	if revoke.count() > 0 && (owned == nil || owned.both(revoke).count() > 0) {
		member.Assigned, member.Revoking, member.Unrelease = keep, revoke, false
		return
	}
	missing := target.without(keep)
	free := missing
	if missing.count() > 0 {
		taken := m.takenByOthers(member)
		free = missing.filter(func(t record.TopicID, n int32) bool { return !taken.has(t, n) })
	}
	member.Assigned, member.Revoking = keep.plus(free), nil
	member.Unrelease = free.count() < missing.count()
	if member.Epoch != m.TargetEpoch {
		member.Epoch, member.Previous = m.TargetEpoch, member.Epoch
	}
}

// takenByOthers are all partitions that other members have, or have still to give up.
func (m *Machine) takenByOthers(member *Member) Partitions {
	return Gather(func(add func(record.TopicID, ...int32)) {
		for id, other := range m.Members {
			if id == member.ID {
				continue
			}
			for _, set := range []Partitions{other.Assigned, other.Revoking} {
				for topic, list := range set {
					add(topic, list...)
				}
			}
		}
	})
}

// waits says that what a member waits for is still with others.
func (m *Machine) waits(member *Member) bool {
	missing := m.Target[member.ID].without(member.Assigned)
	return missing.count() > 0 && missing.within(m.takenByOthers(member))
}

// retarget makes a new target assignment when members or subscriptions changed, or the topics subscribed to.
func (m *Machine) retarget(changed bool, topics *Catalog) {
	if !changed && topics == m.seen && m.Generation == m.TargetEpoch {
		return
	}
	subscriptions, all := m.subscriptions(topics)
	print := fingerprint(all)
	m.seen = topics
	if changed || print != m.Topics {
		m.Generation++
	}
	if m.Generation == m.TargetEpoch {
		return
	}
	m.Topics, m.Assignor = print, m.chooseAssignor()
	m.Target = assign(m.Assignor, subscriptions, m.Target, all)
	m.TargetEpoch = m.Generation
	m.EmptySince = time.Time{}
	m.store()
}

// chooseAssignor takes what most members ask for.
func (m *Machine) chooseAssignor() string {
	votes := 0
	for _, member := range m.Members {
		switch member.Assignor {
		case assignRange:
			votes++
		case assignUniform:
			votes--
		}
	}
	if votes > 0 {
		return assignRange
	}
	return assignUniform
}
