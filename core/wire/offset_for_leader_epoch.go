package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

// OffsetForLeaderEpoch (key 23), versions 0-4.
//
//	v1  leader epoch in the answer
//	v2  current leader epoch
//	v3  replica id
//	v4  flexible
//
// There is one leader epoch, which never ends: it is answered with the high watermark, any other with -1.
func (s *Server) offsetForLeaderEpoch(ctx context.Context, c *caller, req *kmsg.OffsetForLeaderEpochRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	resp.Version = req.Version
	find := s.names(c)
	for _, asked := range req.Topics {
		t := kmsg.NewOffsetForLeaderEpochResponseTopic()
		t.Topic = asked.Topic
		for _, q := range asked.Partitions {
			t.Partitions = append(t.Partitions, s.endOfEpoch(ctx, find, req.Version, asked.Topic, q))
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp, nil
}

func (s *Server) endOfEpoch(ctx context.Context, find *names, version int16, name string, q kmsg.OffsetForLeaderEpochRequestTopicPartition) kmsg.OffsetForLeaderEpochResponseTopicPartition {
	p := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
	p.Partition, p.LeaderEpoch, p.EndOffset = q.Partition, -1, -1
	t, err := find.byName(ctx, name)
	if err != nil {
		p.ErrorCode = s.code(err)
		return p
	}
	tp, err := find.partition(ctx, t, q.Partition)
	if err != nil {
		p.ErrorCode = s.code(err)
		return p
	}
	if version >= 2 {
		p.ErrorCode = epochCode(q.CurrentLeaderEpoch)
	}
	if p.ErrorCode != 0 || q.LeaderEpoch != record.LeaderEpoch {
		return p
	}
	ends, err := s.backend.Reader.Bounds(ctx, tp)
	if err != nil {
		p.ErrorCode = s.code(err)
		return p
	}
	p.LeaderEpoch, p.EndOffset = record.LeaderEpoch, int64(ends.HighWatermark)
	return p
}
