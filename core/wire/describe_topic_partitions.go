package wire

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/topic"
)

// DescribeTopicPartitions (key 75), version 0: topics by name (none named: all) in pages of partitions. The cursor names
// the first partition of the next page.
func (s *Server) describeTopicPartitions(ctx context.Context, c *caller, req *kmsg.DescribeTopicPartitionsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeTopicPartitionsResponse()
	d := describer{live: s.backend.Cluster.Live(), zone: s.zone(c)}
	find := s.names(c)
	if badCursor(req) {
		for _, t := range req.Topics {
			out := kmsg.NewDescribeTopicPartitionsResponseTopic()
			out.Topic, out.ErrorCode = &t.Topic, s.code(errRequest)
			resp.Topics = append(resp.Topics, out)
		}
		return resp, nil
	}
	left := max(min(req.ResponsePartitionLimit, describePartitionsMax), 1)
	for _, name := range s.describedNames(ctx, c, req) {
		first := int32(0)
		if req.Cursor != nil && req.Cursor.Topic == name {
			first = max(req.Cursor.Partition, 0)
		}
		if left == 0 {
			resp.NextCursor = nextCursor(name, first)
			return resp, nil
		}
		out := kmsg.NewDescribeTopicPartitionsResponseTopic()
		out.Topic = &name
		t, err := s.named(ctx, find, name)
		if err != nil {
			out.ErrorCode = s.code(err)
			resp.Topics = append(resp.Topics, out)
			continue
		}
		end := min(t.Partitions, first+left)
		out.TopicID, out.AuthorizedOperations = t.ID, c.operations(ctx, auth.ResourceTopic, name)
		out.Partitions = describedPartitions(d.topic(t), first, end)
		resp.Topics = append(resp.Topics, out)
		left -= max(end-first, 0)
		if end < t.Partitions {
			resp.NextCursor = nextCursor(name, end)
			return resp, nil
		}
	}
	return resp, nil
}

const describePartitionsMax = 2000

// badCursor says that a cursor names no partition, or a topic that is not asked for.
func badCursor(req *kmsg.DescribeTopicPartitionsRequest) bool {
	if req.Cursor == nil {
		return false
	}
	asked := func(t kmsg.DescribeTopicPartitionsRequestTopic) bool { return t.Topic == req.Cursor.Topic }
	return req.Cursor.Partition < 0 || len(req.Topics) > 0 && !slices.ContainsFunc(req.Topics, asked)
}

// describedNames are the names asked for, sorted, from the cursor on.
func (s *Server) describedNames(ctx context.Context, c *caller, req *kmsg.DescribeTopicPartitionsRequest) []string {
	var names []string
	for _, t := range req.Topics {
		names = append(names, t.Topic)
	}
	if len(names) == 0 {
		for _, t := range s.backend.Topics.AllTopics() {
			if c.shows(ctx, auth.ResourceTopic, t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if req.Cursor != nil {
		names = slices.DeleteFunc(names, func(name string) bool { return name < req.Cursor.Topic })
	}
	return names
}

func (s *Server) named(ctx context.Context, find *names, name string) (*ledger.Topic, error) {
	if err := topic.CheckName(name); err != nil {
		return nil, err
	}
	return find.byName(ctx, name)
}

func nextCursor(name string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	next := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	next.Topic, next.Partition = name, partition
	return &next
}

func describedPartitions(t kmsg.MetadataResponseTopic, first, end int32) []kmsg.DescribeTopicPartitionsResponseTopicPartition {
	var out []kmsg.DescribeTopicPartitionsResponseTopicPartition
	for i := first; i < end; i++ {
		from := &t.Partitions[i]
		p := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		p.ErrorCode, p.Partition, p.LeaderID, p.LeaderEpoch, p.Replicas, p.ISR = from.ErrorCode, i, from.Leader, from.LeaderEpoch, from.Replicas, from.ISR
		p.EligibleLeaderReplicas, p.LastKnownELR = []int32{}, []int32{} // nullable in the protocol, but Java fails on null
		out = append(out, p)
	}
	return out
}
