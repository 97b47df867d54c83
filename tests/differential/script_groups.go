package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinators looks for those of groups.
func (s *Session) coordinators() {
	find := func(v int16, kind int8, keys ...string) *kmsg.FindCoordinatorRequest {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.SetVersion(v)
		req.CoordinatorType, req.CoordinatorKeys = kind, keys
		if len(keys) > 0 {
			req.CoordinatorKey = keys[0]
		}
		return req
	}
	if _, ok := s.served[kmsg.FindCoordinator.Int16()]; !ok {
		return
	}
	s.await("there are coordinators", func() bool {
		resp, err := s.ask(find(0, 0, "any"))
		return err == nil && resp.(*kmsg.FindCoordinatorResponse).ErrorCode == 0
	})
	s.every("of a group", func(v int16) kmsg.Request { return find(v, 0, "some.group") })
	s.between("of several groups", 4, 1<<14, func(v int16) kmsg.Request { return find(v, 0, "a", "b", "c") })
	s.between("of none", 4, 1<<14, func(v int16) kmsg.Request { return find(v, 0) })
	s.every("of the group without a name", func(v int16) kmsg.Request { return find(v, 0, "") })
	s.between("of an unknown kind", 1, 1<<14, func(v int16) kmsg.Request { return find(v, 9, "a") })
}

// commitOf commits one offset; the member is anonymous unless said otherwise.
func (s *Session) commitOf(group, topic string, partition int32, offset int64, metadata string) *kmsg.OffsetCommitRequest {
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, offset, 0, &metadata
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID, t.Partitions = topic, s.symbols.idOf(topic), append(t.Partitions, p)
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.Topics = group, -1, append(req.Topics, t)
	return req
}

// committedOf asks for committed offsets, in either form of the request; no partitions: of all topics.
func (s *Session) committedOf(group, topic string, partitions ...int32) *kmsg.OffsetFetchRequest {
	req := kmsg.NewPtrOffsetFetchRequest()
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, req.Group = group, group
	if len(partitions) > 0 {
		req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: partitions}}
		g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, TopicID: s.symbols.idOf(topic), Partitions: partitions}}
	}
	req.Groups = append(req.Groups, g)
	return req
}

// simpleGroups commit offsets without members.
func (s *Session) simpleGroups() {
	s.topic("consumed", 3)
	s.every("unknown group", func(int16) kmsg.Request { return s.committedOf("unknown.group", "consumed", 0, 1) })
	s.between("unknown group, all topics", 2, 1<<14, func(int16) kmsg.Request { return s.committedOf("unknown.group", "") })
	s.every("simple", func(v int16) kmsg.Request { return s.commitOf("simple", "consumed", 0, 40+int64(v), "note") })
	s.every("simple, without metadata", func(int16) kmsg.Request {
		req := s.commitOf("simple", "consumed", 1, 7, "")
		req.Topics[0].Partitions[0].Metadata = nil
		return req
	})
	s.every("unknown topic", func(int16) kmsg.Request { return s.commitOf("simple", "unknown", 0, 1, "") })
	s.every("unknown partition", func(int16) kmsg.Request { return s.commitOf("simple", "consumed", 9, 1, "") })
	s.every("negative offset", func(int16) kmsg.Request { return s.commitOf("simple", "consumed", 2, -5, "") })
	s.newest("long metadata", func(int16) kmsg.Request { return s.commitOf("simple", "consumed", 2, 1, string(make([]byte, 5000))) })
	s.every("no group", func(int16) kmsg.Request { return s.commitOf("", "consumed", 2, 1, "") })
	s.every("no topics", func(int16) kmsg.Request {
		req := s.commitOf("simple", "consumed", 2, 1, "")
		req.Topics = nil
		return req
	})
	s.every("generation of an unknown group", func(int16) kmsg.Request {
		req := s.commitOf("never.seen", "consumed", 0, 1, "")
		req.Generation, req.MemberID = 4, "someone"
		return req
	})
	s.every("member of a simple group", func(int16) kmsg.Request {
		req := s.commitOf("simple", "consumed", 0, 1, "")
		req.Generation, req.MemberID = 4, "someone"
		return req
	})
	s.every("committed", func(int16) kmsg.Request { return s.committedOf("simple", "consumed", 0, 1, 2) })
	s.every("committed, unknown partition and topic", func(int16) kmsg.Request { return s.committedOf("simple", "consumed", 77) })
	s.every("committed, unknown topic", func(int16) kmsg.Request { return s.committedOf("simple", "unknown", 0) })
	s.between("committed, all topics", 2, 1<<14, func(int16) kmsg.Request { return s.committedOf("simple", "") })
	s.between("committed, stable", 7, 1<<14, func(int16) kmsg.Request {
		req := s.committedOf("simple", "consumed", 0)
		req.RequireStable = true
		return req
	})
	s.between("committed, two groups", 8, 1<<14, func(int16) kmsg.Request {
		req := s.committedOf("simple", "consumed", 0)
		req.Groups = append(req.Groups, s.committedOf("unknown.group", "consumed", 0).Groups...)
		return req
	})
	s.every("committed, no group", func(int16) kmsg.Request { return s.committedOf("", "consumed", 0) })
}

// at is a version of an API near to v.
func (s *Session) at(key kmsg.Key, v int16) int16 {
	r := s.served[key.Int16()]
	return min(max(v, r.Min), r.Max)
}

func joinOf(group, member string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = group, member, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 30_000, 30_000
	p := kmsg.NewJoinGroupRequestProtocol()
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Topics = []string{"consumed"}
	p.Name, p.Metadata = "range", meta.AppendTo(nil)
	req.Protocols = append(req.Protocols, p)
	return req
}

func syncOf(group, member string, generation int32, plan string) *kmsg.SyncGroupRequest {
	req := kmsg.NewPtrSyncGroupRequest()
	kind, name := "consumer", "range"
	req.Group, req.MemberID, req.Generation, req.ProtocolType, req.Protocol = group, member, generation, &kind, &name
	if plan != "" {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = member, []byte(plan)
		req.GroupAssignment = append(req.GroupAssignment, a)
	}
	return req
}

func heartbeatOf(group, member string, generation int32) *kmsg.HeartbeatRequest {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = group, member, generation
	return req
}

func leaveOf(group, member string) *kmsg.LeaveGroupRequest {
	req := kmsg.NewPtrLeaveGroupRequest()
	m := kmsg.NewLeaveGroupRequestMember()
	req.Group, req.MemberID, m.MemberID = group, member, member
	req.Members = append(req.Members, m)
	return req
}

// join makes a member of a group, comparing each step, and gives its id and generation.
func (s *Session) join(group string, v int16) (member string, generation int32) {
	v = s.at(kmsg.JoinGroup, v)
	resp, _ := s.do("classic: first request", v, joinOf(group, "")).(*kmsg.JoinGroupResponse)
	if resp != nil && v >= 4 { // the broker gives out an id first
		resp, _ = s.do("classic: with the id given", v, joinOf(group, resp.MemberID)).(*kmsg.JoinGroupResponse)
	}
	if resp == nil {
		return "", 0
	}
	return resp.MemberID, resp.Generation
}

// classicGroups have one member, in each version.
func (s *Session) classicGroups() {
	r, ok := s.served[kmsg.JoinGroup.Int16()]
	for v := r.Min; ok && v <= r.Max; v++ {
		group := fmt.Sprintf("classic.%d", v)
		member, generation := s.join(group, v)
		sync, beat := s.at(kmsg.SyncGroup, v), s.at(kmsg.Heartbeat, v)
		s.do("classic: assigns", sync, syncOf(group, member, generation, "plan"))
		s.do("classic: asks again", sync, syncOf(group, member, generation, ""))
		s.do("classic: lives", beat, heartbeatOf(group, member, generation))
		s.do("classic: wrong generation", beat, heartbeatOf(group, member, generation+1))
		s.do("classic: wrong member", beat, heartbeatOf(group, "nobody", generation))
		s.do("classic: wrong generation", sync, syncOf(group, member, generation+1, ""))
		s.do("classic: wrong member", sync, syncOf(group, "nobody", generation, ""))
		commit := s.commitOf(group, "consumed", 0, 5, "m")
		commit.Generation, commit.MemberID = generation, member
		s.do("classic: member", s.at(kmsg.OffsetCommit, v), commit)
		wrong := s.commitOf(group, "consumed", 0, 6, "m")
		wrong.Generation, wrong.MemberID = generation+1, member
		s.do("classic: wrong generation", s.at(kmsg.OffsetCommit, v), wrong)
		s.do("classic: stranger", s.at(kmsg.OffsetCommit, v), s.commitOf(group, "consumed", 0, 6, "m"))
		s.do("classic: committed", s.at(kmsg.OffsetFetch, v), s.committedOf(group, "consumed", 0))
		s.do("classic: described", s.at(kmsg.DescribeGroups, v), describeGroups(group))
		s.do("classic: the same joins again", v, joinOf(group, member))
		s.do("classic: deleted with a member", s.at(kmsg.DeleteGroups, v), deleteGroups(group))
		s.do("classic: another leaves", s.at(kmsg.LeaveGroup, v), leaveOf(group, "nobody"))
		s.do("classic: leaves", s.at(kmsg.LeaveGroup, v), leaveOf(group, member))
		s.do("classic: lives after it left", beat, heartbeatOf(group, member, generation))
		s.do("classic: described when empty", s.at(kmsg.DescribeGroups, v), describeGroups(group))
	}
}

// groupErrors asks what no group can answer.
func (s *Session) groupErrors() {
	s.every("unknown group", func(int16) kmsg.Request { return heartbeatOf("never.seen", "someone", 1) })
	s.every("unknown group", func(int16) kmsg.Request { return syncOf("never.seen", "someone", 1, "") })
	s.every("unknown group", func(int16) kmsg.Request { return leaveOf("never.seen", "someone") })
	s.every("no group", func(int16) kmsg.Request { return heartbeatOf("", "someone", 1) })
	s.every("no group", func(int16) kmsg.Request { return syncOf("", "someone", 1, "") })
	s.every("no group", func(int16) kmsg.Request { return leaveOf("", "someone") })
	s.every("no group", func(int16) kmsg.Request { return joinOf("", "") })
	s.every("unknown member", func(int16) kmsg.Request { return joinOf("never.seen", "someone") })
	for _, ms := range []int32{1, 1 << 30} {
		s.every(fmt.Sprintf("session time-out %d", ms), func(int16) kmsg.Request {
			req := joinOf("odd", "")
			req.SessionTimeoutMillis = ms
			return req
		})
	}
	s.every("no protocols", func(int16) kmsg.Request {
		req := joinOf("odd", "")
		req.Protocols = nil
		return req
	})
	s.every("no protocol type", func(int16) kmsg.Request {
		req := joinOf("odd", "")
		req.ProtocolType = ""
		return req
	})
	member, generation := s.join("of.one.kind", 9)
	s.newest("another protocol type", func(int16) kmsg.Request {
		req := joinOf("of.one.kind", "")
		req.ProtocolType = "connect"
		return req
	})
	s.newest("no common protocol", func(int16) kmsg.Request {
		req := joinOf("of.one.kind", "")
		req.Protocols[0].Name = "roundrobin"
		return req
	})
	s.newest("another protocol type", func(int16) kmsg.Request {
		req, kind := syncOf("of.one.kind", member, generation, "plan"), "connect"
		req.ProtocolType = &kind
		return req
	})
	s.newest("the only one leaves", func(int16) kmsg.Request { return leaveOf("of.one.kind", member) })
}

func describeGroups(groups ...string) *kmsg.DescribeGroupsRequest {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = groups
	return req
}

func deleteGroups(groups ...string) *kmsg.DeleteGroupsRequest {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = groups
	return req
}

// groupAdmin describes, lists and deletes groups.
func (s *Session) groupAdmin() {
	s.every("unknown", func(int16) kmsg.Request { return describeGroups("never.seen") })
	s.every("none", func(int16) kmsg.Request { return describeGroups() })
	s.every("simple", func(int16) kmsg.Request { return describeGroups("simple") })
	s.between("with authorized operations", 3, 1<<14, func(int16) kmsg.Request {
		req := describeGroups("simple")
		req.IncludeAuthorizedOperations = true
		return req
	})
	s.every("all", func(int16) kmsg.Request { return kmsg.NewPtrListGroupsRequest() })
	for _, states := range [][]string{{"Empty"}, {"Stable", "Dead"}, {"nonsense"}, {"empty"}} {
		s.between("in state "+fmt.Sprint(states), 4, 1<<14, func(int16) kmsg.Request {
			req := kmsg.NewPtrListGroupsRequest()
			req.StatesFilter = states
			return req
		})
	}
	for _, types := range [][]string{{"classic"}, {"consumer"}, {"Classic"}, {"nonsense"}} {
		s.between("of type "+fmt.Sprint(types), 5, 1<<14, func(int16) kmsg.Request {
			req := kmsg.NewPtrListGroupsRequest()
			req.TypesFilter = types
			return req
		})
	}
	forget := func(group, topic string, partition int32) func(int16) kmsg.Request {
		return func(int16) kmsg.Request {
			req := kmsg.NewPtrOffsetDeleteRequest()
			req.Group = group
			req.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: partition}}}}
			return req
		}
	}
	s.every("an offset", forget("simple", "consumed", 1))
	s.every("an offset that is not there", forget("simple", "consumed", 1))
	s.every("unknown topic", forget("simple", "unknown", 0))
	s.every("unknown partition", forget("simple", "consumed", 9))
	s.every("unknown group", forget("never.seen", "consumed", 0))
	s.newest("after offsets were deleted", func(int16) kmsg.Request { return s.committedOf("simple", "consumed", 0, 1) })
	s.every("unknown", func(int16) kmsg.Request { return deleteGroups("never.seen") })
	s.every("no group", func(int16) kmsg.Request { return deleteGroups("") })
	s.every("none", func(int16) kmsg.Request { return deleteGroups() })
	s.newest("simple and unknown", func(int16) kmsg.Request { return deleteGroups("simple", "never.seen") })
	s.newest("after the group was deleted", func(int16) kmsg.Request { return s.committedOf("simple", "consumed", 0) })
}

// consumerGroups are those of KIP-848.
func (s *Session) consumerGroups() {
	group, member := "", ""
	beat := func(op string, v int16, epoch int32, with ...func(*kmsg.ConsumerGroupHeartbeatRequest)) *kmsg.ConsumerGroupHeartbeatResponse {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = group, member, epoch, -1
		for _, w := range with {
			w(req)
		}
		resp, _ := s.do(op, v, req).(*kmsg.ConsumerGroupHeartbeatResponse)
		return resp
	}
	joins := func(req *kmsg.ConsumerGroupHeartbeatRequest) {
		req.RebalanceTimeoutMillis, req.SubscribedTopicNames, req.Topics = 30_000, []string{"consumed"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	r, ok := s.served[kmsg.ConsumerGroupHeartbeat.Int16()]
	for v := r.Min; ok && v <= r.Max; v++ {
		group, member = fmt.Sprintf("new.protocol.%d", v), fmt.Sprintf("AAAAAAAAAAAAAAAAAAAAA%d", v)
		resp := beat("joins", v, 0, joins)
		if resp == nil || resp.ErrorCode != 0 {
			return
		}
		epoch := resp.MemberEpoch
		beat("lives", v, epoch)
		beat("epoch too large", v, epoch+3)
		s.newest("described", func(int16) kmsg.Request {
			req := kmsg.NewPtrConsumerGroupDescribeRequest()
			req.Groups = []string{group, "never.seen", "classic.9"}
			return req
		})
		s.newest("of the new protocol", func(int16) kmsg.Request { return describeGroups(group) })
		s.newest("with a member", func(int16) kmsg.Request { return deleteGroups(group) })
		commit := s.commitOf(group, "consumed", 0, 9, "new")
		commit.Generation, commit.MemberID = epoch, member
		s.do("new protocol: member", s.at(kmsg.OffsetCommit, 9), commit)
		late := s.commitOf(group, "consumed", 0, 9, "new")
		late.Generation, late.MemberID = epoch+1, member
		s.do("new protocol: wrong epoch", s.at(kmsg.OffsetCommit, 9), late)
		beat("leaves", v, -1)
		beat("lives after it left", v, epoch)
		beat("without a group", v, 0, joins, func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.Group = "" })
		beat("without topics", v, 0, joins, func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.SubscribedTopicNames = nil })
		beat("an unknown assignor", v, 0, joins, func(req *kmsg.ConsumerGroupHeartbeatRequest) {
			name := "no.such"
			req.ServerAssignor = &name
		})
		beat("a bad epoch", v, -7)
	}
}
