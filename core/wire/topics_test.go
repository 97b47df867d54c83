package wire

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func createOf(version int16, topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	return &kmsg.CreateTopicsRequest{Version: version, TimeoutMillis: 5000, Topics: topics}
}

func newTopic(name string, partitions int32, replicas int16, configs ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replicas
	for i := 0; i < len(configs); i += 2 {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
	}
	return t
}

func TestCreateTopics_BadOnesDoNotHinderGoodOnes(t *testing.T) {
	b := newBench(t)
	c := b.dial(t)
	assigned := newTopic("assigned", -1, -1)
	for i := range int32(4) {
		assigned.ReplicaAssignment = append(assigned.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: i, Replicas: []int32{1, 2}})
	}
	resp := ask[*kmsg.CreateTopicsResponse](c, createOf(7,
		newTopic("good", -1, -1, "retention.ms", "5"), newTopic("twice", 1, 1), newTopic("twice", 1, 1), newTopic("zero", 0, 1), newTopic("rf", 1, 0),
		newTopic("config", 1, 1, "no.such.config", "1"), newTopic("bad/name", 1, 1), newTopic("many", 1, 9), assigned))
	want := map[string]int16{"good": 0, "twice": kerr.InvalidRequest.Code, "zero": kerr.InvalidPartitions.Code, "rf": kerr.InvalidReplicationFactor.Code,
		"config": kerr.InvalidConfig.Code, "bad/name": kerr.InvalidTopicException.Code, "many": 0, "assigned": 0}
	if len(resp.Topics) != len(want) {
		t.Fatalf("%d answers", len(resp.Topics))
	}
	for _, got := range resp.Topics {
		if got.ErrorCode != want[got.Topic] || (got.ErrorCode != 0) != (got.ErrorMessage != nil) || (got.ErrorCode == 0) != (got.TopicID != [16]byte{}) {
			t.Errorf("%s: %+v", got.Topic, got)
		}
	}
	good := resp.Topics[0]
	i := slices.IndexFunc(good.Configs, func(c kmsg.CreateTopicsResponseTopicConfig) bool { return c.Name == "retention.ms" })
	if good.NumPartitions != 1 || good.ReplicationFactor != 1 || i < 0 || *good.Configs[i].Value != "5" || good.Configs[i].Source != 1 {
		t.Errorf("echo: %+v", good)
	}
	if last := resp.Topics[len(resp.Topics)-1]; last.NumPartitions != 4 || last.ReplicationFactor != 2 {
		t.Errorf("assigned: %+v", last)
	}
	if again := ask[*kmsg.CreateTopicsResponse](c, createOf(2, newTopic("good", 1, 1))); again.Topics[0].ErrorCode != kerr.TopicAlreadyExists.Code {
		t.Errorf("again: %+v", again.Topics[0])
	}
}

func TestCreateTopics_StrictReplicationRefusesMoreThanLive(t *testing.T) {
	b := newBench(t, func(s *Settings) { s.StrictReplication = true })
	for rf, want := range map[int16]int16{3: 0, 4: kerr.InvalidReplicationFactor.Code} {
		req := createOf(7, newTopic("a", 1, rf))
		req.ValidateOnly = true
		if got := ask[*kmsg.CreateTopicsResponse](b.dial(t), req).Topics[0]; got.ErrorCode != want {
			t.Errorf("%d: %+v", rf, got)
		}
	}
	if _, ok := b.topics.TopicByName("a"); ok {
		t.Error("validate_only made a topic")
	}
}

func TestDeleteTopics_ByNameAndByIDAndTheNameIsFreeAtOnce(t *testing.T) {
	b := newBench(t)
	c := b.dial(t)
	for v := int16(0); v <= 6; v++ {
		made := b.topic(t, "a", 1)
		req := &kmsg.DeleteTopicsRequest{Version: v, TimeoutMillis: 5000, TopicNames: []string{"a"}}
		if v >= 6 {
			req.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: made.ID}}
		}
		if got := ask[*kmsg.DeleteTopicsResponse](c, req).Topics[0]; got.ErrorCode != 0 || *got.Topic != "a" {
			t.Errorf("version %d: %+v", v, got)
		}
	}
	b.topic(t, "a", 1)
	name := "gone"
	req := &kmsg.DeleteTopicsRequest{Version: 6, Topics: []kmsg.DeleteTopicsRequestTopic{{Topic: &name}, {TopicID: [16]byte{9}}, {}, {Topic: &name, TopicID: [16]byte{9}}}}
	want := []int16{kerr.UnknownTopicOrPartition.Code, kerr.UnknownTopicID.Code, kerr.InvalidRequest.Code, kerr.InvalidRequest.Code}
	for i, got := range ask[*kmsg.DeleteTopicsResponse](c, req).Topics {
		if got.ErrorCode != want[i] {
			t.Errorf("%d: %+v", i, got)
		}
	}
}

func TestCreatePartitions_OnlyGrows(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 3)
	c := b.dial(t)
	for _, one := range []struct {
		count, assigned int32
		want            int16
	}{{3, 0, kerr.InvalidPartitions.Code}, {2, 0, kerr.InvalidPartitions.Code}, {5, 1, kerr.InvalidReplicaAssignment.Code}, {5, 2, 0}, {6, 0, 0}} {
		top := kmsg.CreatePartitionsRequestTopic{Topic: "a", Count: one.count}
		for range one.assigned {
			top.Assignment = append(top.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: []int32{1}})
		}
		got := ask[*kmsg.CreatePartitionsResponse](c, &kmsg.CreatePartitionsRequest{Version: 3, Topics: []kmsg.CreatePartitionsRequestTopic{top}}).Topics[0]
		if got.ErrorCode != one.want {
			t.Errorf("%+v: %+v", one, got)
		}
	}
}

func TestDeleteRecords_AnswersTheLowWatermark(t *testing.T) {
	_, c, _ := filled(t)
	for _, one := range []struct {
		offset int64
		part   int32
		low    int64
		code   int16
	}{{1, 0, 1, 0}, {0, 0, 1, 0}, {-1, 0, 2, 0}, {3, 0, -1, kerr.OffsetOutOfRange.Code}, {-2, 0, -1, kerr.OffsetOutOfRange.Code}, {0, 9, -1, kerr.UnknownTopicOrPartition.Code}} {
		req := &kmsg.DeleteRecordsRequest{Version: 2, Topics: []kmsg.DeleteRecordsRequestTopic{{Topic: "a", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: one.part, Offset: one.offset}}}}}
		got := ask[*kmsg.DeleteRecordsResponse](c, req).Topics[0].Partitions[0]
		if got.LowWatermark != one.low || got.ErrorCode != one.code {
			t.Errorf("%+v: %+v", one, got)
		}
	}
}

func TestDescribeCluster_ListsBrokersAndKnowsNoControllers(t *testing.T) {
	c := newBench(t).dial(t)
	req := &kmsg.DescribeClusterRequest{Version: 2, EndpointType: 1}
	if got := ask[*kmsg.DescribeClusterResponse](c, req); got.ErrorCode != 0 || len(got.Brokers) != 3 || got.ControllerID != 1 || got.ClusterID != "cluster" {
		t.Errorf("%+v", got)
	}
	req.EndpointType = 2
	if got := ask[*kmsg.DescribeClusterResponse](c, req); got.ErrorCode != kerr.MismatchedEndpointType.Code {
		t.Errorf("%+v", got)
	}
}

func TestDescribeTopicPartitions_PagesThroughAllPartitionsOnce(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"a", "b", "c"} {
		b.topic(t, name, 5)
	}
	c := b.dial(t)
	req := &kmsg.DescribeTopicPartitionsRequest{ResponsePartitionLimit: 3}
	seen, pages := map[string]int{}, 0
	for {
		resp := ask[*kmsg.DescribeTopicPartitionsResponse](c, req)
		n := 0
		for _, one := range resp.Topics {
			for _, p := range one.Partitions {
				if int(p.Partition) != seen[*one.Topic] {
					t.Fatalf("%s: partition %d after %d", *one.Topic, p.Partition, seen[*one.Topic])
				}
				seen[*one.Topic]++
				n++
			}
		}
		pages++
		if n > 3 {
			t.Fatalf("%d partitions on a page of 3", n)
		}
		if resp.NextCursor == nil {
			break
		}
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
	}
	if pages != 5 || seen["a"] != 5 || seen["b"] != 5 || seen["c"] != 5 {
		t.Fatalf("%d pages, %v", pages, seen)
	}
	unknown := &kmsg.DescribeTopicPartitionsRequest{ResponsePartitionLimit: 10, Topics: []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "none"}, {Topic: "a"}}}
	resp := ask[*kmsg.DescribeTopicPartitionsResponse](c, unknown)
	if len(resp.Topics) != 2 || resp.Topics[0].ErrorCode != 0 || resp.Topics[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Fatalf("%+v", resp.Topics)
	}
}
