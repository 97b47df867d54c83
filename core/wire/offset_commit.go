package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// OffsetCommit (key 8), versions 0-10.
//
//	v1   generation and member; before, and with generation -1, it is by nobody's member: such a commit makes a group
//	v2   retention time, until v4: not used, the cluster's counts
//	v6   leader epoch
//	v7   group instance ids
//	v8   flexible
//	v9   GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH; the generation may be a member epoch (KIP-848)
//	v10  topic ids instead of names
//
// An unknown topic or too much metadata fails its partitions; the others are committed.
func (s *Server) offsetCommit(ctx context.Context, c *caller, req *kmsg.OffsetCommitRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Version = req.Version
	r := group.CommitRequest{CommitCheck: group.CommitCheck{
		MemberID: req.MemberID, Instance: text(req.InstanceID), Generation: req.Generation, NewErrors: req.Version >= 9,
	}}
	find, refused := s.names(c), c.may(ctx, auth.ResourceGroup, req.Group)
	for i := range req.Topics {
		topic, out := s.commitTopic(ctx, find, refused, req.Version, &req.Topics[i])
		resp.Topics = append(resp.Topics, out)
		if len(topic.Partitions) > 0 {
			r.Topics = append(r.Topics, topic)
		}
	}
	var code int16
	if refused == nil {
		code = s.code(s.backend.Groups.CommitOffsets(ctx, req.Group, r))
	}
	for i := range resp.Topics {
		for k := range resp.Topics[i].Partitions {
			if p := &resp.Topics[i].Partitions[k]; p.ErrorCode == 0 {
				p.ErrorCode = code
			}
		}
	}
	return resp, nil
}

// commitTopic checks one topic of a commit, and gives what can be committed of it: nothing where the request is refused.
func (s *Server) commitTopic(ctx context.Context, find *names, refused error, version int16, asked *kmsg.OffsetCommitRequestTopic) (group.CommitTopic, kmsg.OffsetCommitResponseTopic) {
	out := kmsg.NewOffsetCommitResponseTopic()
	out.Topic, out.TopicID = asked.Topic, asked.TopicID
	topic := group.CommitTopic{Partitions: map[int32]group.Committed{}}
	t, failed := (*ledger.Topic)(nil), refused
	if failed == nil {
		t, failed = find.topic(ctx, version >= 10, asked.Topic, asked.TopicID)
	}
	if failed == nil {
		topic.Name, topic.ID = t.Name, t.ID
	}
	for _, p := range asked.Partitions {
		err := failed
		if err == nil {
			_, err = find.partition(ctx, t, p.Partition)
		}
		if err == nil && len(text(p.Metadata)) > s.settings.OffsetMetadataMax {
			err = group.ErrMetadataTooLarge
		}
		one := kmsg.NewOffsetCommitResponseTopicPartition()
		one.Partition, one.ErrorCode = p.Partition, s.code(err)
		out.Partitions = append(out.Partitions, one)
		if err == nil {
			topic.Partitions[p.Partition] = group.Committed{Offset: record.Offset(p.Offset), LeaderEpoch: p.LeaderEpoch, Metadata: text(p.Metadata)}
		}
	}
	return topic, out
}
