package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/txn"
)

// TxnOffsetCommit (key 28), versions 0-6.
//
//	v2  leader epoch
//	v3  generation and member; flexible. Before, nobody says who it is, and is believed
//	v4  ABORTABLE_TRANSACTION is known: never said here
//	v5  the group need not be of the transaction before (KIP-890)
//	v6  topic ids instead of names
//
// The offsets are pending until EndTxn. A fenced producer is told INVALID_PRODUCER_EPOCH in all versions.
func (s *Server) txnOffsetCommit(ctx context.Context, c *caller, req *kmsg.TxnOffsetCommitRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrTxnOffsetCommitResponse()
	resp.Version = req.Version
	r := group.PendingRequest{
		CommitCheck: group.CommitCheck{Generation: -1}, Transaction: req.TransactionalID,
		Join: func(ctx context.Context) ([]coordination.Guard, []coordination.Change, error) {
			return s.backend.Transactions.JoinGroup(ctx, req.TransactionalID, identity(req.ProducerID, req.ProducerEpoch), req.Group, req.Version >= 5)
		},
	}
	if req.Version < 5 {
		r.JoinWithin = txn.JoinWithin
	}
	if req.Version >= 3 {
		r.CommitCheck = group.CommitCheck{MemberID: req.MemberID, Instance: text(req.InstanceID), Generation: req.Generation}
	}
	find, refused := s.names(c), c.may(ctx, auth.ResourceTransactionalID, req.TransactionalID)
	if refused == nil {
		refused = c.may(ctx, auth.ResourceGroup, req.Group)
	}
	for i := range req.Topics {
		topic, out := s.pendingTopic(ctx, find, refused, req.Version, &req.Topics[i])
		resp.Topics = append(resp.Topics, out)
		if len(topic.Partitions) > 0 {
			r.Topics = append(r.Topics, topic)
		}
	}
	var code int16
	if refused == nil {
		code = s.code(s.backend.Groups.CommitPending(ctx, req.Group, r))
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

// pendingTopic checks one topic as OffsetCommit does.
func (s *Server) pendingTopic(ctx context.Context, find *names, refused error, version int16, asked *kmsg.TxnOffsetCommitRequestTopic) (group.CommitTopic, kmsg.TxnOffsetCommitResponseTopic) {
	like := kmsg.NewOffsetCommitRequestTopic()
	like.Topic, like.TopicID = asked.Topic, asked.TopicID
	for _, p := range asked.Partitions {
		one := kmsg.NewOffsetCommitRequestTopicPartition()
		one.Partition, one.Offset, one.LeaderEpoch, one.Metadata = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata
		like.Partitions = append(like.Partitions, one)
	}
	byName, byID := int16(9), int16(10) // of OffsetCommit
	if version >= 6 {
		byName = byID
	}
	topic, answered := s.commitTopic(ctx, find, refused, byName, &like)
	out := kmsg.NewTxnOffsetCommitResponseTopic()
	out.Topic, out.TopicID = answered.Topic, answered.TopicID
	for _, p := range answered.Partitions {
		one := kmsg.NewTxnOffsetCommitResponseTopicPartition()
		one.Partition, one.ErrorCode = p.Partition, p.ErrorCode
		out.Partitions = append(out.Partitions, one)
	}
	return topic, out
}
