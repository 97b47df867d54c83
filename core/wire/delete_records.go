package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// DeleteRecords (key 21), versions 0-2.
//
//	v2  flexible
//
// Offset -1 is the high watermark; the answer is the new log start.
func (s *Server) deleteRecords(ctx context.Context, c *caller, req *kmsg.DeleteRecordsRequest) (kmsg.Response, error) {
	ctx, cancel := adminTimeout(ctx, req.TimeoutMillis)
	defer cancel()
	resp := kmsg.NewPtrDeleteRecordsResponse()
	resp.Version = req.Version
	find := s.names(c)
	for _, asked := range req.Topics {
		t := kmsg.NewDeleteRecordsResponseTopic()
		t.Topic = asked.Topic
		for _, q := range asked.Partitions {
			p := kmsg.NewDeleteRecordsResponseTopicPartition()
			start, err := s.deleteBelow(ctx, find, asked.Topic, q)
			p.Partition, p.LowWatermark, p.ErrorCode = q.Partition, int64(start), s.code(err)
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp, nil
}

func (s *Server) deleteBelow(ctx context.Context, find *names, name string, q kmsg.DeleteRecordsRequestTopicPartition) (record.Offset, error) {
	t, err := find.byName(ctx, name)
	if err != nil {
		return -1, err
	}
	tp, err := find.partition(ctx, t, q.Partition)
	if err != nil {
		return -1, err
	}
	if topic.IsCompacted(t) && !topic.IsDeleted(t) {
		return -1, errKeepsRecords
	}
	if q.Offset < -1 {
		return -1, errBelowZero
	}
	start, err := s.backend.Records.DeleteRecords(ctx, tp, record.Offset(q.Offset))
	switch {
	case err == nil:
		return start, nil
	case errors.Is(err, fetch.ErrOutOfRange), errors.Is(err, fetch.ErrUnknownPartition), ctx.Err() != nil:
		return -1, err
	}
	// Whatever became of it, to delete the same again is harmless: let the client try again.
	s.log.Warn("records not deleted", "topic", name, "partition", q.Partition, "error", err)
	return -1, fmt.Errorf("%w: %w", errNotNow, err)
}
