package wire

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// alone is a bench whose instance coordinates every group.
func alone(t *testing.T) (*bench, *client) {
	b := newBench(t)
	b.cluster.set(node(1, ""))
	return b, b.dialOn(t, "outside")
}

func TestFindCoordinator_NamesTheSameInstanceInEveryVersion(t *testing.T) {
	b := newBench(t)
	c := b.dialOn(t, "outside")
	for _, key := range []string{"g", "h", "i", "j"} {
		want, err := b.groups.Find(key)
		if err != nil {
			t.Fatal(err)
		}
		for v := int16(0); v <= 6; v++ {
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.Version, req.CoordinatorKey, req.CoordinatorKeys = v, key, []string{key, "other"}
			got := ask[*kmsg.FindCoordinatorResponse](c, req)
			id, host, port := got.NodeID, got.Host, got.Port
			if v >= 4 {
				if len(got.Coordinators) != 2 || got.Coordinators[0].Key != key {
					t.Fatalf("version %d: %+v", v, got)
				}
				id, host, port = got.Coordinators[0].NodeID, got.Coordinators[0].Host, got.Coordinators[0].Port
			}
			if id != want.Node || host != "example.test" || port != 19000+want.Node {
				t.Errorf("version %d: %d at %s:%d, want %d", v, id, host, port, want.Node)
			}
		}
	}
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.Version, req.CoordinatorKeys, req.CoordinatorType = 4, []string{"t"}, 1
	if got := ask[*kmsg.FindCoordinatorResponse](c, req).Coordinators[0]; got.ErrorCode != 0 || got.NodeID < 1 || got.Host != "example.test" {
		t.Errorf("of a transaction: %+v", got)
	}
}

func TestOffsetFetch_WhatIsNotThereIsMinusOneAndNoError(t *testing.T) {
	b, c := alone(t)
	made := b.topic(t, "a", 3)
	for v := int16(1); v <= 10; v++ {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version, req.Group = v, "nobody"
		topic := kmsg.NewOffsetFetchRequestTopic()
		topic.Topic, topic.Partitions = "a", []int32{0, 99}
		req.Topics = append(req.Topics, topic)
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group = "nobody"
		group.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: "a", TopicID: made.ID, Partitions: []int32{0, 99}}}
		req.Groups = append(req.Groups, group)
		got := ask[*kmsg.OffsetFetchResponse](c, req)
		parts := []kmsg.OffsetFetchResponseGroupTopicPartition{}
		if v >= 8 {
			parts = got.Groups[0].Topics[0].Partitions
		} else {
			for _, p := range got.Topics[0].Partitions {
				parts = append(parts, kmsg.OffsetFetchResponseGroupTopicPartition(p))
			}
		}
		if got.ErrorCode != 0 || len(parts) != 2 {
			t.Fatalf("version %d: %+v", v, got)
		}
		for _, p := range parts {
			if p.ErrorCode != 0 || p.Offset != -1 || p.LeaderEpoch != -1 || p.Metadata == nil || *p.Metadata != "" {
				t.Errorf("version %d: %+v", v, p)
			}
		}
	}
}

func commitOf(v int16, group, topic string, id [16]byte, partition int32, offset int64) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = v, group, -1
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, offset, 0, kmsg.StringPtr("said")
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, TopicID: id, Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	return req
}

func TestOffsetCommit_OfNobodyMakesAGroupInEveryVersion(t *testing.T) {
	b, c := alone(t)
	made := b.topic(t, "a", 3)
	for v := int16(0); v <= 10; v++ {
		got := ask[*kmsg.OffsetCommitResponse](c, commitOf(v, "g", "a", made.ID, 1, int64(v)+5))
		if code := got.Topics[0].Partitions[0].ErrorCode; code != 0 {
			t.Fatalf("version %d: error %d", v, code)
		}
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version = 8
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group, group.Topics = "g", nil
		req.Groups = append(req.Groups, group)
		all := ask[*kmsg.OffsetFetchResponse](c, req)
		p := all.Groups[0].Topics[0].Partitions[0]
		if p.Partition != 1 || p.Offset != int64(v)+5 || *p.Metadata != "said" {
			t.Errorf("version %d: %+v", v, p)
		}
	}
	for _, bad := range []struct {
		req  *kmsg.OffsetCommitRequest
		want int16
	}{
		{commitOf(9, "g", "b", [16]byte{}, 0, 1), kerr.UnknownTopicOrPartition.Code},
		{commitOf(9, "g", "a", [16]byte{}, 3, 1), kerr.UnknownTopicOrPartition.Code},
		{commitOf(10, "g", "", [16]byte{1}, 0, 1), kerr.UnknownTopicID.Code},
		{commitOf(9, "", "a", [16]byte{}, 0, 1), kerr.InvalidGroupID.Code},
		{func() *kmsg.OffsetCommitRequest {
			r := commitOf(9, "g", "a", [16]byte{}, 0, 1)
			r.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(string(make([]byte, 4097)))
			return r
		}(), kerr.OffsetMetadataTooLarge.Code},
		{func() *kmsg.OffsetCommitRequest {
			r := commitOf(8, "new", "a", [16]byte{}, 0, 1)
			r.Generation, r.MemberID = 3, "m"
			return r
		}(), kerr.IllegalGeneration.Code},
		{func() *kmsg.OffsetCommitRequest {
			r := commitOf(9, "new", "a", [16]byte{}, 0, 1)
			r.Generation, r.MemberID = 3, "m"
			return r
		}(), kerr.GroupIDNotFound.Code},
	} {
		if got := ask[*kmsg.OffsetCommitResponse](c, bad.req).Topics[0].Partitions[0].ErrorCode; got != bad.want {
			t.Errorf("group %q topic %q: error %d, want %d", bad.req.Group, bad.req.Topics[0].Topic, got, bad.want)
		}
	}
}

func TestGroups_UnknownOnesAreUnknownMembers(t *testing.T) {
	_, c := alone(t)
	for v := int16(0); v <= 5; v++ {
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Version, sync.Group, sync.MemberID = v, "nobody", "m"
		if got := ask[*kmsg.SyncGroupResponse](c, sync).ErrorCode; got != kerr.UnknownMemberID.Code {
			t.Errorf("sync version %d: %d", v, got)
		}
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Version, leave.Group, leave.MemberID = v, "nobody", "m"
		leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: "m"}}
		got := ask[*kmsg.LeaveGroupResponse](c, leave)
		code := got.ErrorCode
		if v >= 3 {
			code = got.Members[0].ErrorCode
		}
		if code != kerr.UnknownMemberID.Code {
			t.Errorf("leave version %d: %+v", v, got)
		}
		if v <= 4 {
			beat := kmsg.NewPtrHeartbeatRequest()
			beat.Version, beat.Group, beat.MemberID = v, "nobody", "m"
			if got := ask[*kmsg.HeartbeatResponse](c, beat).ErrorCode; got != kerr.UnknownMemberID.Code {
				t.Errorf("heartbeat version %d: %d", v, got)
			}
		}
	}
}

func joinOf(v int16, group, member string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = v, group, member, 10_000, 10_000, "consumer"
	m := kmsg.NewConsumerMemberMetadata()
	m.Topics = []string{"a"}
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", m.AppendTo(nil)
	req.Protocols = append(req.Protocols, p)
	return req
}

func TestJoinGroup_EveryVersionGetsThroughAGenerationAndLeaves(t *testing.T) {
	b, c := alone(t)
	b.topic(t, "a", 3)
	for v := int16(0); v <= 9; v++ {
		got := ask[*kmsg.JoinGroupResponse](c, joinOf(v, "g", ""))
		if v >= 4 {
			if got.ErrorCode != kerr.MemberIDRequired.Code || got.MemberID == "" {
				t.Fatalf("version %d: %+v", v, got)
			}
			got = ask[*kmsg.JoinGroupResponse](c, joinOf(v, "g", got.MemberID))
		}
		if got.ErrorCode != 0 || got.LeaderID != got.MemberID || len(got.Members) != 1 || *got.Protocol != "range" || got.Generation < int32(v) {
			t.Fatalf("version %d: %+v", v, got)
		}
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Version, sync.Group, sync.MemberID, sync.Generation = min(v, 5), "g", got.MemberID, got.Generation
		sync.ProtocolType, sync.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
		sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: got.MemberID, MemberAssignment: []byte("mine")}}
		if s := ask[*kmsg.SyncGroupResponse](c, sync); s.ErrorCode != 0 || string(s.MemberAssignment) != "mine" {
			t.Fatalf("version %d: %+v", v, s)
		}
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Version, beat.Group, beat.MemberID, beat.Generation = min(v, 4), "g", got.MemberID, got.Generation
		if h := ask[*kmsg.HeartbeatResponse](c, beat); h.ErrorCode != 0 {
			t.Fatalf("version %d: %+v", v, h)
		}
		describe := kmsg.NewPtrDescribeGroupsRequest()
		describe.Version, describe.Groups = min(v, 6), []string{"g", "nobody"}
		d := ask[*kmsg.DescribeGroupsResponse](c, describe).Groups
		if d[0].State != "Stable" || len(d[0].Members) != 1 || d[0].Members[0].ClientID != "test" || d[1].State != "Dead" || (d[1].ErrorCode == kerr.GroupIDNotFound.Code) != (v >= 6) {
			t.Errorf("version %d: %+v", v, d)
		}
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Version, leave.Group, leave.MemberID = min(v, 5), "g", got.MemberID
		leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: got.MemberID}}
		if l := ask[*kmsg.LeaveGroupResponse](c, leave); l.ErrorCode != 0 || v >= 3 && l.Members[0].ErrorCode != 0 {
			t.Fatalf("version %d: %+v", v, l)
		}
	}
}

func TestListGroups_FiltersByStateAndType(t *testing.T) {
	b, c := alone(t)
	b.topic(t, "a", 3)
	ask[*kmsg.OffsetCommitResponse](c, commitOf(2, "simple", "a", [16]byte{}, 0, 1))
	ask[*kmsg.JoinGroupResponse](c, joinOf(0, "busy", ""))
	next := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	next.Version, next.Group, next.MemberID, next.RebalanceTimeoutMillis, next.SubscribedTopicNames = 1, "next", "m", 1000, []string{"a"}
	next.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	if got := ask[*kmsg.ConsumerGroupHeartbeatResponse](c, next); got.ErrorCode != 0 || got.MemberEpoch != 1 || len(got.Assignment.Topics[0].Partitions) != 3 {
		t.Fatalf("%+v", got)
	}
	for _, f := range []struct {
		states, types []string
		want          string
	}{{nil, nil, "busy next simple "}, {[]string{"empty"}, nil, "simple "}, {nil, []string{"Consumer"}, "next "}, {[]string{"Stable"}, []string{"classic"}, ""}} {
		req := kmsg.NewPtrListGroupsRequest()
		req.Version, req.StatesFilter, req.TypesFilter = 5, f.states, f.types
		got := ""
		for _, g := range ask[*kmsg.ListGroupsResponse](c, req).Groups {
			got += g.Group + " "
		}
		if got != f.want {
			t.Errorf("states %v, types %v: %q, want %q", f.states, f.types, got, f.want)
		}
	}
	describe := kmsg.NewPtrConsumerGroupDescribeRequest()
	describe.Version, describe.Groups = 1, []string{"next", "busy"}
	d := ask[*kmsg.ConsumerGroupDescribeResponse](c, describe).Groups
	if d[0].State != "Stable" || d[0].AssignorName != "uniform" || d[0].Members[0].Assignment.TopicPartitions[0].Topic != "a" || d[1].ErrorCode != kerr.GroupIDNotFound.Code {
		t.Errorf("%+v", d)
	}
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Version, remove.Groups = 3, []string{"simple", "next", "nobody"}
	r := ask[*kmsg.DeleteGroupsResponse](c, remove).Groups
	if r[0].ErrorCode != 0 || r[1].ErrorCode != kerr.NonEmptyGroup.Code || r[2].ErrorCode != kerr.GroupIDNotFound.Code {
		t.Errorf("%+v", r)
	}
}

func TestConsumerGroupHeartbeat_NeedsAMemberIDFromVersionOne(t *testing.T) {
	b, c := alone(t)
	b.topic(t, "a", 3)
	for v := int16(0); v <= 1; v++ {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Version, req.Group, req.RebalanceTimeoutMillis, req.SubscribedTopicNames = v, "g", 1000, []string{"a"}
		got := ask[*kmsg.ConsumerGroupHeartbeatResponse](c, req)
		if (got.ErrorCode == kerr.InvalidRequest.Code) != (v == 1) || v == 0 && *got.MemberID == "" {
			t.Errorf("version %d: %+v", v, got)
		}
	}
}

func TestApiVersions_AnnouncesFeatures(t *testing.T) {
	_, c := alone(t)
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 4, "test", "1"
	got := ask[*kmsg.ApiVersionsResponse](c, req)
	levels := map[string]int16{}
	for _, f := range got.FinalizedFeatures {
		levels[f.Name] = f.MaxVersionLevel
	}
	if len(levels) != 2 || levels["group.version"] != 1 || levels["transaction.version"] != 2 || len(got.SupportedFeatures) != 2 || got.FinalizedFeaturesEpoch < 0 {
		t.Errorf("%+v", got)
	}
}
