package wire

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
)

// written puts batches of some bytes into a partition.
func (b *bench) written(id record.TopicID, partition int32, sizes ...int) {
	for _, n := range sizes {
		b.logs.add(context.Background(), []ingest.Incoming{{Partition: record.TopicPartition{Topic: id, Partition: partition}, Batch: batchOf(1, n-61)}})
	}
}

func logDirsOf(version int16, topics []kmsg.DescribeLogDirsRequestTopic) *kmsg.DescribeLogDirsRequest {
	return &kmsg.DescribeLogDirsRequest{Version: version, Topics: topics}
}

// listed gives the sizes by topic and partition of one answer.
func listed(t *testing.T, resp *kmsg.DescribeLogDirsResponse) map[string]map[int32]int64 {
	t.Helper()
	if len(resp.Dirs) != 1 || resp.Dirs[0].ErrorCode != 0 || resp.Dirs[0].Dir != logDir || resp.Dirs[0].TotalBytes != -1 || resp.Dirs[0].UsableBytes != -1 {
		t.Fatalf("%+v", resp.Dirs)
	}
	out := map[string]map[int32]int64{}
	for _, top := range resp.Dirs[0].Topics {
		out[top.Topic] = map[int32]int64{}
		for _, p := range top.Partitions {
			if _, twice := out[top.Topic][p.Partition]; twice || p.OffsetLag != 0 || p.IsFuture {
				t.Errorf("%s: %+v", top.Topic, p)
			}
			out[top.Topic][p.Partition] = p.Size
		}
	}
	return out
}

func TestDescribeLogDirs_EachPartitionIsShownByOneBrokerTheLeaderThatTheClientSees(t *testing.T) {
	b := newBench(t)
	b.cluster.set(node(0, "a"), node(1, "b"), node(2, "a"), node(3, "b"))
	a := b.topic(t, "a", 12)
	for i := range a.Partitions {
		b.written(a.ID, i, 100+int(i), 1000)
	}
	for _, zone := range []string{"", "zone=a", "zone=b"} {
		c := b.dial(t)
		c.id = &zone
		leaders := ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{Version: 12}).Topics[0].Partitions
		seen := 0
		for _, in := range b.cluster.Live() {
			b.cluster.self = in.Node
			for p, size := range listed(t, ask[*kmsg.DescribeLogDirsResponse](c, logDirsOf(5, nil)))["a"] {
				seen++
				at := slices.IndexFunc(leaders, func(l kmsg.MetadataResponseTopicPartition) bool { return l.Partition == p })
				if leaders[at].Leader != in.Node || size != 1100+int64(p) {
					t.Errorf("client %q, broker %d: partition %d of %d bytes, led by %d", zone, in.Node, p, size, leaders[at].Leader)
				}
			}
		}
		if seen != 12 {
			t.Errorf("client %q: %d partitions over all brokers", zone, seen)
		}
	}
}

func TestDescribeLogDirs_NullIsAllEmptyIsNoneAndUnknownOnesAreLeftOut(t *testing.T) {
	b := newBench(t)
	b.cluster.set(b.cluster.live[0])
	b.written(b.topic(t, "a", 2).ID, 1, 500)
	b.topic(t, "b", 1)
	c := b.dial(t)
	for v := int16(1); v <= 5; v++ {
		some := []kmsg.DescribeLogDirsRequestTopic{{Topic: "a", Partitions: []int32{1, 7, -1}}, {Topic: "none", Partitions: []int32{0}}, {Topic: "b"}}
		if got := listed(t, ask[*kmsg.DescribeLogDirsResponse](c, logDirsOf(v, some))); len(got) != 1 || len(got["a"]) != 1 || got["a"][1] != 500 {
			t.Errorf("version %d, some: %v", v, got)
		}
		if got := listed(t, ask[*kmsg.DescribeLogDirsResponse](c, logDirsOf(v, []kmsg.DescribeLogDirsRequestTopic{}))); len(got) != 0 {
			t.Errorf("version %d, none: %v", v, got)
		}
		if got := listed(t, ask[*kmsg.DescribeLogDirsResponse](c, logDirsOf(v, nil))); len(got) != 2 || len(got["a"]) != 2 || len(got["b"]) != 1 {
			t.Errorf("version %d, all: %v", v, got)
		}
	}
	if b.topics.barriers == 0 {
		t.Error("no barrier")
	}
}

func TestDescribeLogDirs_WhatCannotBeReadNowIsAnOfflineDirectory(t *testing.T) {
	b := newBench(t)
	b.cluster.set(b.cluster.live[0])
	a := b.topic(t, "a", 1)
	c := b.dial(t)
	offline := func() bool {
		d := ask[*kmsg.DescribeLogDirsResponse](c, logDirsOf(4, nil)).Dirs
		return len(d) == 1 && d[0].ErrorCode == kerr.KafkaStorageError.Code && len(d[0].Topics) == 0
	}
	b.topics.failing = errors.New("no etcd")
	if !offline() {
		t.Error("no barrier, yet an answer")
	}
	b.topics.failing = nil
	b.logs.log(record.TopicPartition{Topic: a.ID}).start = -1
	if !offline() {
		t.Error("no size, yet an answer")
	}
}

func TestDescribeProducers_KnownOnesOfEachPartition(t *testing.T) {
	b := newBench(t)
	a := b.topic(t, "a", 2)
	batch := batchOf(5, 10)
	batch[50] = 77 // producer id
	b.logs.add(context.Background(), []ingest.Incoming{{Partition: record.TopicPartition{Topic: a.ID, Partition: 1}, Batch: batch}})
	b.topics.hidden = true // another instance made all this
	c := b.dial(t)
	req := &kmsg.DescribeProducersRequest{Topics: []kmsg.DescribeProducersRequestTopic{{Topic: "a", Partitions: []int32{0, 1, 2}}, {Topic: "none", Partitions: []int32{0}}, {Topic: "a/b", Partitions: []int32{0}}}}
	got := ask[*kmsg.DescribeProducersResponse](c, req).Topics
	parts := got[0].Partitions
	if len(parts) != 3 || parts[0].ErrorCode != 0 || len(parts[0].ActiveProducers) != 0 || parts[2].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("%+v", parts)
	}
	one := parts[1].ActiveProducers
	if len(one) != 1 || one[0].ProducerID != 77 || one[0].ProducerEpoch != 3 || one[0].LastSequence != 4 || one[0].LastTimestamp != -1 || one[0].CoordinatorEpoch != -1 || one[0].CurrentTxnStartOffset != -1 {
		t.Errorf("%+v", one)
	}
	if got[1].Partitions[0].ErrorCode != kerr.UnknownTopicOrPartition.Code || got[2].Partitions[0].ErrorCode != kerr.InvalidTopicException.Code {
		t.Errorf("%+v", got[1:])
	}
	b.topics.failing = errors.New("no etcd")
	if p := ask[*kmsg.DescribeProducersResponse](c, req).Topics[0].Partitions[0]; p.ErrorCode != kerr.LeaderNotAvailable.Code || p.ErrorMessage == nil {
		t.Errorf("no barrier, yet %+v", p)
	}
}

func TestElectLeaders_NothingToElect(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 2)
	c := b.dial(t)
	for v := int16(0); v <= 2; v++ {
		req := &kmsg.ElectLeadersRequest{Version: v, Topics: []kmsg.ElectLeadersRequestTopic{{Topic: "a", Partitions: []int32{0, 1, 2}}, {Topic: "none", Partitions: []int32{0}}}}
		got := ask[*kmsg.ElectLeadersResponse](c, req)
		var codes []int16
		for _, t := range got.Topics {
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
		if got.ErrorCode != 0 || !slices.Equal(codes, []int16{84, 84, 3, 3}) {
			t.Errorf("version %d: %+v", v, got)
		}
		all := ask[*kmsg.ElectLeadersResponse](c, &kmsg.ElectLeadersRequest{Version: v})
		if all.ErrorCode != 0 || len(all.Topics) != 1 || len(all.Topics[0].Partitions) != 0 {
			t.Errorf("version %d, all: %+v", v, all)
		}
	}
	wrong := ask[*kmsg.ElectLeadersResponse](c, &kmsg.ElectLeadersRequest{Version: 2, ElectionType: 7, Topics: []kmsg.ElectLeadersRequestTopic{{Topic: "a", Partitions: []int32{0}}}})
	if wrong.ErrorCode != kerr.InvalidRequest.Code || wrong.Topics[0].Partitions[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("%+v", wrong)
	}
}

func TestAlterPartitionAssignments_OnlyTheOrderOfTheBrokersShown(t *testing.T) {
	b := newBench(t) // brokers 1, 2 and 3; topics have three replicas
	b.topic(t, "a", 1)
	b.cluster.set(append(b.cluster.live, node(4, ""))...)
	c := b.dial(t)
	now := ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{Version: 12}).Topics[0].Partitions[0].Replicas
	turned := []int32{now[2], now[0], now[1]}
	other := 10 - now[0] - now[1] - now[2]
	for _, one := range []struct {
		what      string
		topic     string
		partition int32
		replicas  []int32
		want      int16
	}{
		{"as it is", "a", 0, now, 0},
		{"another order", "a", 0, turned, 0},
		{"another broker", "a", 0, []int32{now[0], now[1], other}, kerr.InvalidReplicaAssignment.Code},
		{"fewer", "a", 0, now[:2], kerr.InvalidReplicaAssignment.Code},
		{"not alive", "a", 0, []int32{now[0], now[1], 77}, kerr.InvalidReplicaAssignment.Code},
		{"twice", "a", 0, []int32{now[0], now[1], now[1]}, kerr.InvalidReplicaAssignment.Code},
		{"nobody", "a", 0, []int32{}, kerr.InvalidReplicaAssignment.Code},
		{"cancel", "a", 0, nil, kerr.NoReassignmentInProgress.Code},
		{"unknown partition", "a", 1, now, kerr.UnknownTopicOrPartition.Code},
		{"cancel of an unknown topic", "none", 0, nil, kerr.UnknownTopicOrPartition.Code},
	} {
		for v := int16(0); v <= 1; v++ {
			req := &kmsg.AlterPartitionAssignmentsRequest{Version: v, Topics: []kmsg.AlterPartitionAssignmentsRequestTopic{
				{Topic: one.topic, Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Partition: one.partition, Replicas: one.replicas}}},
			}}
			got := ask[*kmsg.AlterPartitionAssignmentsResponse](c, req)
			if p := got.Topics[0].Partitions[0]; got.ErrorCode != 0 || p.ErrorCode != one.want || p.Partition != one.partition {
				t.Errorf("%s, version %d: %+v", one.what, v, got)
			} else if one.what == "not alive" && !strings.Contains(text(p.ErrorMessage), "no live broker 77") {
				t.Errorf("%s: %s", one.what, text(p.ErrorMessage))
			}
		}
	}
	if after := ask[*kmsg.MetadataResponse](c, &kmsg.MetadataRequest{Version: 12}).Topics[0].Partitions[0].Replicas; !slices.Equal(after, now) {
		t.Errorf("replicas %v, were %v", after, now)
	}
	list := &kmsg.ListPartitionReassignmentsRequest{Topics: []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: "a", Partitions: []int32{0}}}}
	if got := ask[*kmsg.ListPartitionReassignmentsResponse](c, list); got.ErrorCode != 0 || len(got.Topics) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestUnregisterBroker_LiveOnesStayAndOthersAreNotThere(t *testing.T) {
	c := newBench(t).dial(t)
	for id, want := range map[int32]int16{1: kerr.InvalidRequest.Code, 3: kerr.InvalidRequest.Code, 77: kerr.BrokerIDNotRegistered.Code, -1: kerr.BrokerIDNotRegistered.Code} {
		if got := ask[*kmsg.UnregisterBrokerResponse](c, &kmsg.UnregisterBrokerRequest{BrokerID: id}); got.ErrorCode != want || got.ErrorMessage == nil {
			t.Errorf("broker %d: %+v", id, got)
		}
	}
}

func TestUpdateFeatures_LevelsAreFixed(t *testing.T) {
	c := newBench(t).dial(t)
	final := ask[*kmsg.ApiVersionsResponse](c, &kmsg.ApiVersionsRequest{Version: 4, ClientSoftwareName: "test", ClientSoftwareVersion: "1"}).FinalizedFeatures
	if len(final) == 0 {
		t.Fatal("no features")
	}
	have, level := final[0].Name, final[0].MaxVersionLevel
	update := func(v int16, name string, level int16) *kmsg.UpdateFeaturesResponse {
		return ask[*kmsg.UpdateFeaturesResponse](c, &kmsg.UpdateFeaturesRequest{Version: v, ValidateOnly: true, FeatureUpdates: []kmsg.UpdateFeaturesRequestFeatureUpdate{
			{Feature: have, MaxVersionLevel: final[0].MaxVersionLevel, UpgradeType: 1}, {Feature: name, MaxVersionLevel: level, UpgradeType: 1},
		}})
	}
	for v := int16(0); v <= 2; v++ {
		if got := update(v, have, level); got.ErrorCode != 0 || (v < 2) != (len(got.Results) == 2) {
			t.Errorf("version %d, as it is: %+v", v, got)
		}
		for name, to := range map[string]int16{have: level + 1, "no.such": 1, "": 0} {
			if got := update(v, name, to); got.ErrorCode != kerr.InvalidUpdateVersion.Code || got.ErrorMessage == nil || len(got.Results) != 0 {
				t.Errorf("version %d, %q to %d: %+v", v, name, to, got)
			}
		}
	}
}

func TestListConfigResources_ByType(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	b.topic(t, "b", 1)
	c := b.dial(t)
	count := func(v int16, kinds ...int8) (n int, code int16) {
		got := ask[*kmsg.ListConfigResourcesResponse](c, &kmsg.ListConfigResourcesRequest{Version: v, ResourceTypes: kinds})
		return len(got.ConfigResources), got.ErrorCode
	}
	for _, one := range []struct {
		kinds []int8
		n     int
		code  int16
	}{
		{[]int8{2}, 2, 0}, {[]int8{4}, 3, 0}, {[]int8{8}, 3, 0}, {[]int8{16}, 0, 0}, {[]int8{32}, 0, 0}, {[]int8{4, 2, 4}, 5, 0}, {nil, 8, 0},
		{[]int8{99}, 0, kerr.UnsupportedVersion.Code}, {[]int8{2, 99}, 0, kerr.UnsupportedVersion.Code}, {[]int8{0}, 0, kerr.UnsupportedVersion.Code},
	} {
		if n, code := count(1, one.kinds...); n != one.n || code != one.code {
			t.Errorf("types %v: %d resources, code %d", one.kinds, n, code)
		}
	}
	if n, code := count(0); n != 0 || code != 0 {
		t.Errorf("version 0: %d resources, code %d", n, code)
	}
}
