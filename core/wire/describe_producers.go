package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/fetch"
)

// DescribeProducers (key 61), version 0: the producers that a partition remembers for their sequences.
//
// Any instance answers for any partition. When a producer was last heard of is kept as a revision, not as a time: -1.
func (s *Server) describeProducers(ctx context.Context, c *caller, req *kmsg.DescribeProducersRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeProducersResponse()
	resp.Version = req.Version
	find := s.names(c)
	behind := s.backend.Topics.Barrier(ctx) // records acknowledged elsewhere count
	for _, asked := range req.Topics {
		t := kmsg.NewDescribeProducersResponseTopic()
		t.Topic = asked.Topic
		for _, n := range asked.Partitions {
			p := kmsg.NewDescribeProducersResponseTopicPartition()
			known, err := s.producersOf(ctx, find, asked.Topic, n, behind)
			p.Partition, p.ErrorCode, p.ErrorMessage = n, s.code(err), message(err)
			for _, k := range known {
				p.ActiveProducers = append(p.ActiveProducers, activeProducer(k))
			}
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp, nil
}

func (s *Server) producersOf(ctx context.Context, find *names, name string, partition int32, behind error) ([]fetch.Producer, error) {
	if behind != nil {
		return nil, fmt.Errorf("%w: %w", errNotNow, behind)
	}
	t, err := s.named(ctx, find, name)
	if err != nil {
		return nil, err
	}
	tp, err := find.partition(ctx, t, partition)
	if err != nil {
		return nil, err
	}
	return s.backend.Inspector.Producers(tp)
}

// activeProducer shows a producer.
func activeProducer(k fetch.Producer) kmsg.DescribeProducersResponseTopicPartitionActiveProducer {
	one := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
	one.ProducerID, one.ProducerEpoch, one.LastSequence = int64(k.ID), int32(k.Epoch), k.Last
	one.CoordinatorEpoch, one.CurrentTxnStartOffset = -1, int64(k.Open)
	return one
}
