package wire

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/topic"
)

func TestRepeats_AnswerOnceAndRefuse(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	c := b.dial(t)
	name := "a"
	remove := &kmsg.DeleteTopicsRequest{Version: 6, Topics: []kmsg.DeleteTopicsRequestTopic{{Topic: &name}, {Topic: &name}}}
	if got := ask[*kmsg.DeleteTopicsResponse](c, remove).Topics; len(got) != 1 || got[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("delete: %+v", got)
	}
	grow := &kmsg.CreatePartitionsRequest{Version: 3, Topics: []kmsg.CreatePartitionsRequestTopic{{Topic: name, Count: 4}, {Topic: name, Count: 5}}}
	if got := ask[*kmsg.CreatePartitionsResponse](c, grow).Topics; len(got) != 1 || got[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("grow: %+v", got)
	}
	there, ok := b.topics.TopicByName(name)
	if !ok || there.Partitions != 1 {
		t.Errorf("the topic was changed: %+v", there)
	}
	look := &kmsg.MetadataRequest{Version: 12, Topics: []kmsg.MetadataRequestTopic{{Topic: &name}, {Topic: &name}}}
	if got := ask[*kmsg.MetadataResponse](c, look).Topics; len(got) != 1 || got[0].ErrorCode != 0 {
		t.Errorf("metadata: %+v", got)
	}
}

func TestDeleteRecords_OfATopicThatIsOnlyCompactedAreKept(t *testing.T) {
	b := newBench(t)
	create := newTopic("a", 1, 1)
	policy := "compact"
	create.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: topic.CleanupPolicy, Value: &policy}}
	c := b.dial(t)
	ask[*kmsg.CreateTopicsResponse](c, createOf(7, create))
	req := &kmsg.DeleteRecordsRequest{Version: 2, Topics: []kmsg.DeleteRecordsRequestTopic{{Topic: "a", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: -1}}}}}
	if got := ask[*kmsg.DeleteRecordsResponse](c, req).Topics[0].Partitions[0]; got.ErrorCode != kerr.PolicyViolation.Code {
		t.Errorf("%+v", got)
	}
}

func TestAlterConfigs_NullIsForDeletingAlone(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	c := b.dial(t)
	for op, want := range []int16{kerr.InvalidRequest.Code, 0, kerr.InvalidRequest.Code, kerr.InvalidRequest.Code} {
		change := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: topic.RetentionMs, Op: kmsg.IncrementalAlterConfigOp(op)}
		req := &kmsg.IncrementalAlterConfigsRequest{Version: 1, Resources: []kmsg.IncrementalAlterConfigsRequestResource{
			{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "a", Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{change}},
		}}
		if got := ask[*kmsg.IncrementalAlterConfigsResponse](c, req).Resources[0]; got.ErrorCode != want {
			t.Errorf("operation %d: %+v", op, got)
		}
	}
}

func TestDescribeTopicPartitions_CursorMustNameAPartitionThatIsAskedFor(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	c := b.dial(t)
	for _, cursor := range []kmsg.DescribeTopicPartitionsRequestCursor{{Topic: "a", Partition: -1}, {Topic: "b"}} {
		req := &kmsg.DescribeTopicPartitionsRequest{ResponsePartitionLimit: 10, Cursor: &cursor, Topics: []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "a"}}}
		if got := ask[*kmsg.DescribeTopicPartitionsResponse](c, req).Topics; len(got) != 1 || got[0].ErrorCode != kerr.InvalidRequest.Code {
			t.Errorf("cursor %+v: %+v", cursor, got)
		}
	}
}
