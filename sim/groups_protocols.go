package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/tests/groups"
)

const beat = time.Second

// liveClassic is a member of the classic protocol: join, sync, and heartbeats until it has to join again. Before it
// does it gives up all that it has.
func (m *simMember) liveClassic() {
	for !m.leaving() {
		if m.joinClassic() {
			m.stayClassic()
		} else {
			m.rest(m.dice.between(50*time.Millisecond, 500*time.Millisecond))
		}
	}
	if m.ctx.Err() == nil {
		m.gives(groups.Revoked, m.owned())
		_, _ = ask(m, 5*time.Second, func(ctx context.Context, d *desk) ([]error, error) { // its session runs out otherwise
			return d.Leave(ctx, groupNames[m.group], []group.LeaveRequest{{MemberID: m.id}})
		})
	}
}

func (m *simMember) joinClassic() bool {
	name := groupNames[m.group]
	metadata := kmsg.NewConsumerMemberMetadata()
	metadata.Version, metadata.Topics = 1, []string{name}
	joined, err := ask(m, 30*time.Second, func(ctx context.Context, d *desk) (group.JoinResult, error) {
		res := d.Join(ctx, name, group.JoinRequest{
			MemberID: m.id, Client: m.name, SessionMs: 6000, RebalanceMs: 10_000, ProtocolType: "consumer", NeedsID: true,
			Protocols: []group.Protocol{{Name: "range", Metadata: metadata.AppendTo(nil)}},
		})
		return res, nil
	})
	switch {
	case err != nil:
		return false
	case errors.Is(joined.Err, group.ErrMemberIDRequired):
		m.id = joined.MemberID
		return false
	case errors.Is(joined.Err, group.ErrUnknownMember):
		m.id = ""
		return false
	case joined.Err != nil:
		return false
	}
	m.id = joined.MemberID
	sync := group.SyncRequest{MemberID: m.id, Generation: joined.Generation}
	if joined.Leader == m.id {
		sync.Assignments = m.deal(joined.Members)
	}
	synced, err := ask(m, 20*time.Second, func(ctx context.Context, d *desk) (group.SyncResult, error) { return d.Sync(ctx, name, sync), nil })
	if err != nil || synced.Err != nil {
		if errors.Is(synced.Err, group.ErrUnknownMember) {
			m.id = ""
		}
		return false
	}
	m.enters(joined.Generation)
	m.gains(assignment(synced.Assignment))
	return true
}

// deal gives partition n to member n, by turns.
func (m *simMember) deal(members []group.JoinedMember) map[string][]byte {
	out := map[string][]byte{}
	for i, other := range members {
		topic := kmsg.NewConsumerMemberAssignmentTopic()
		topic.Topic = groupNames[m.group]
		for n := range m.w.Partitions[m.group] {
			if int(n)%len(members) == i {
				topic.Partitions = append(topic.Partitions, n)
			}
		}
		a := kmsg.NewConsumerMemberAssignment()
		a.Topics = append(a.Topics, topic)
		out[other.ID] = a.AppendTo(nil)
	}
	return out
}

func assignment(b []byte) (out []int32) {
	a := kmsg.NewConsumerMemberAssignment()
	if len(b) == 0 || a.ReadFrom(b) != nil {
		return nil
	}
	for _, t := range a.Topics {
		out = append(out, t.Partitions...)
	}
	return out
}

// stayClassic consumes until the group rebalances or has put the member out.
func (m *simMember) stayClassic() {
	for m.rest(m.dice.between(beat/2, beat*3/2)) {
		m.consume()
		_, err := ask(m, 5*time.Second, func(ctx context.Context, d *desk) (struct{}, error) {
			return struct{}{}, d.Heartbeat(ctx, groupNames[m.group], group.HeartbeatRequest{MemberID: m.id, Generation: m.at()})
		})
		switch {
		case errors.Is(err, group.ErrRebalanceInProgress):
			m.gives(groups.Revoked, m.owned())
			return
		case errors.Is(err, group.ErrUnknownMember):
			m.gives(groups.Lost, m.owned())
			m.id = ""
			return
		case errors.Is(err, group.ErrIllegalGeneration):
			m.gives(groups.Lost, m.owned())
			return
		}
	}
}

// liveConsumer is a member of KIP-848: one request says and brings it all.
func (m *simMember) liveConsumer() {
	m.id = m.name
	owned := []int32{} // as last told
	for {
		epoch := m.at()
		r := m.heartbeat(epoch, owned)
		res, err := ask(m, 5*time.Second, func(ctx context.Context, d *desk) (group.ConsumerResult, error) {
			return d.ConsumerHeartbeat(ctx, groupNames[m.group], r)
		})
		switch {
		case errors.Is(err, group.ErrUnknownMember), errors.Is(err, group.ErrFencedEpoch):
			m.gives(groups.Lost, m.owned())
			m.enters(0)
		case err == nil:
			m.reconcile(&res)
		}
		owned = m.owned()
		if !m.rest(m.dice.between(beat/2, beat*3/2)) {
			break
		}
		if m.at() > 0 {
			m.consume()
		}
	}
	if m.ctx.Err() == nil {
		m.gives(groups.Revoked, m.owned())
		_, _ = ask(m, 5*time.Second, func(ctx context.Context, d *desk) (group.ConsumerResult, error) { // its session runs out otherwise
			return d.ConsumerHeartbeat(ctx, groupNames[m.group], group.ConsumerRequest{MemberID: m.id, Epoch: -1, RebalanceMs: -1})
		})
	}
}

func (m *simMember) heartbeat(epoch int32, owned []int32) group.ConsumerRequest {
	has := group.Partitions{}
	if epoch > 0 {
		has = has.With(m.w.topics[m.group].ID, owned...)
	}
	return group.ConsumerRequest{MemberID: m.id, Client: m.name, Epoch: epoch, RebalanceMs: 10_000, Names: []string{groupNames[m.group]}, Owned: has}
}

// reconcile gives up what is not in the assignment, and takes what is new.
func (m *simMember) reconcile(res *group.ConsumerResult) {
	before := m.at()
	m.enters(res.Epoch)
	if res.Assignment == nil {
		if res.Epoch != before {
			m.gains(nil)
		}
		return
	}
	wanted := (*res.Assignment)[m.w.topics[m.group].ID]
	var gone, fresh []int32
	for _, n := range m.owned() {
		if !slices.Contains(wanted, n) {
			gone = append(gone, n)
		}
	}
	for _, n := range wanted {
		if _, ok := m.next[n]; !ok {
			fresh = append(fresh, n)
		}
	}
	if len(gone) > 0 {
		m.gives(groups.Revoked, gone)
	}
	if len(fresh) > 0 || res.Epoch != before {
		m.gains(fresh)
	}
}
