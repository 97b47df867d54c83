package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// AddPartitionsToTxn (key 24), versions 0-3. Versions 4 and 5 are for brokers among themselves.
//
//	v2  PRODUCER_FENCED
//	v3  flexible
//
// All partitions or none: with an unknown one the others are OPERATION_NOT_ATTEMPTED.
func (s *Server) addPartitionsToTxn(ctx context.Context, c *caller, req *kmsg.AddPartitionsToTxnRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAddPartitionsToTxnResponse()
	resp.Version = req.Version
	find := s.names(c)
	var parts []record.TopicPartition
	refused := c.may(ctx, auth.ResourceTransactionalID, req.TransactionalID)
	failed := refused != nil
	for _, asked := range req.Topics {
		t := kmsg.NewAddPartitionsToTxnResponseTopic()
		t.Topic = asked.Topic
		known, unknown := (*ledger.Topic)(nil), refused
		if refused == nil {
			known, unknown = find.byName(ctx, asked.Topic)
		}
		for _, n := range asked.Partitions {
			p := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			err := unknown
			if err == nil {
				var tp record.TopicPartition
				tp, err = find.partition(ctx, known, n)
				parts = append(parts, tp)
			}
			p.Partition, p.ErrorCode = n, s.code(err)
			failed = failed || err != nil
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	rest := kerr.OperationNotAttempted.Code
	if !failed {
		rest = s.code(s.backend.Transactions.AddPartitions(ctx, req.TransactionalID, identity(req.ProducerID, req.ProducerEpoch), parts))
		rest = fencedCode(rest, req.Version >= 2)
	}
	for i := range resp.Topics {
		for k := range resp.Topics[i].Partitions {
			if p := &resp.Topics[i].Partitions[k]; p.ErrorCode == 0 {
				p.ErrorCode = rest
			}
		}
	}
	return resp, nil
}
