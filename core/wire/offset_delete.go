package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ledger"
)

// OffsetDelete (key 47), version 0 (KIP-496).
//
// Offsets of a topic that members are subscribed to stay: GROUP_SUBSCRIBED_TO_TOPIC.
func (s *Server) offsetDelete(ctx context.Context, c *caller, req *kmsg.OffsetDeleteRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrOffsetDeleteResponse()
	resp.Version = req.Version
	if err := c.may(ctx, auth.ResourceGroup, req.Group); err != nil {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	find := s.names(c)
	var topics []group.CommitTopic
	codes := make([]int16, len(req.Topics))
	index := make([]int, len(req.Topics)) // into topics
	found := make([]*ledger.Topic, len(req.Topics))
	for i, asked := range req.Topics {
		t, err := find.byName(ctx, asked.Topic)
		if codes[i] = s.code(err); err != nil {
			continue
		}
		one := group.CommitTopic{Name: t.Name, ID: t.ID, Partitions: map[int32]group.Committed{}}
		for _, p := range asked.Partitions {
			one.Partitions[p.Partition] = group.Committed{}
		}
		index[i], found[i] = len(topics), t
		topics = append(topics, one)
	}
	errs, err := s.backend.Groups.DeleteOffsets(ctx, req.Group, topics)
	if err != nil {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	for i, asked := range req.Topics {
		out := kmsg.NewOffsetDeleteResponseTopic()
		out.Topic = asked.Topic
		if codes[i] == 0 {
			codes[i] = s.code(errs[index[i]])
		}
		for _, p := range asked.Partitions {
			one := kmsg.NewOffsetDeleteResponseTopicPartition()
			one.Partition, one.ErrorCode = p.Partition, codes[i]
			if t := found[i]; t != nil && codes[i] == 0 {
				_, err := find.partition(ctx, t, p.Partition)
				one.ErrorCode = s.code(err)
			}
			out.Partitions = append(out.Partitions, one)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}
