package group

import (
	"slices"
	"time"
)

// A rebalance of a classic group: prepare (who has joined?) → complete (a new generation; store it,
// tell everybody) → the leader's SyncGroup (store it, tell everybody) → stable.

// prepare begins a rebalance, or looks whether the one being prepared is complete.
func (m *Machine) prepare(now time.Time) {
	if m.rebalance != nil {
		m.tryComplete(now)
		return
	}
	for _, id := range m.ids() {
		member := m.Members[id]
		member.syncBy = time.Time{}
		if member.sync != 0 {
			m.replySync(member.sync, SyncResult{Err: ErrRebalanceInProgress})
			member.sync = 0
			m.heard(now, member)
		}
	}
	timeout := m.rebalanceTimeout()
	r := &rebalance{by: now.Add(timeout)}
	if m.Phase == Empty && m.limits.InitialDelay > 0 {
		r.initial, r.latest = true, r.by
		r.by = now.Add(min(m.limits.InitialDelay, timeout))
	}
	m.rebalance = r
	m.tryComplete(now)
}

// rebalanceTimeout is the longest that a member asks for.
func (m *Machine) rebalanceTimeout() (d time.Duration) {
	for _, member := range m.Members {
		d = max(d, rebalanceTime(member))
	}
	return d
}

// tryComplete ends the preparation if nobody is left to wait for.
func (m *Machine) tryComplete(now time.Time) {
	if m.rebalance == nil || m.rebalance.initial || len(m.pending) > 0 {
		return
	}
	for _, member := range m.Members {
		if member.join == 0 {
			return
		}
	}
	m.complete(now)
}

// rebalanceDue: the time to join is over.
func (m *Machine) rebalanceDue(now time.Time) {
	r := m.rebalance
	if r.initial && r.grown && now.Before(r.latest) {
		r.grown = false
		r.by = now.Add(m.limits.InitialDelay)
		if r.by.After(r.latest) {
			r.by = r.latest
		}
		return
	}
	m.complete(now)
}

// complete makes the next generation of those who have joined. Static members stay: they will be back.
func (m *Machine) complete(now time.Time) {
	joined := 0
	for _, id := range m.ids() {
		member := m.Members[id]
		switch {
		case member.join != 0:
			joined++
		case member.Instance == "":
			m.remove(now, member, ErrUnknownMember)
		}
	}
	if joined == 0 && len(m.Members) > 0 { // static members that are away, all of them
		m.rebalance = &rebalance{by: now.Add(max(m.rebalanceTimeout(), time.Second))}
		return
	}
	m.rebalance = nil
	m.Generation++
	m.store()
	if len(m.Members) == 0 {
		m.Phase, m.Protocol, m.Leader, m.EmptySince = Empty, "", "", now
		return
	}
	m.elect()
	m.Phase, m.Protocol, m.EmptySince = Completing, m.vote(), time.Time{}
	by := now.Add(m.rebalanceTimeout())
	for _, id := range m.ids() {
		member := m.Members[id]
		member.Assignment, member.syncBy = nil, by
		if member.join != 0 {
			m.replyJoin(member.join, m.joined(member))
			member.join = 0
			m.heard(now, member)
		} else {
			member.syncBy = time.Time{} // its session decides
		}
	}
}

// elect makes sure that the leader is one who has joined.
func (m *Machine) elect() {
	if leader := m.Members[m.Leader]; leader != nil && leader.join != 0 {
		return
	}
	for _, id := range m.ids() {
		if m.Members[id].join != 0 {
			m.Leader = id
			return
		}
	}
}

// vote chooses among the protocols that all have: each member votes for the first of them in its own order. More
// votes win, then the name.
func (m *Machine) vote() string {
	common := m.common(func(*Member) bool { return true })
	votes := map[string]int{}
	for _, member := range m.Members {
		i := slices.IndexFunc(member.Protocols, func(p Protocol) bool { return common[p.Name] })
		if i >= 0 {
			votes[member.Protocols[i].Name]++
		}
	}
	best := ""
	for name, n := range votes {
		if best == "" || n > votes[best] || n == votes[best] && name < best {
			best = name
		}
	}
	return best
}

// afterLeave: members have gone, in whatever way.
func (m *Machine) afterLeave(now time.Time) {
	switch m.Current() {
	case Preparing:
		m.tryComplete(now)
	case Stable, Completing:
		m.prepare(now)
	}
}
