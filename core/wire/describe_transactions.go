package wire

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/txn"
)

// DescribeTransactions (key 65), version 0. Any instance answers for any transactional id.
func (s *Server) describeTransactions(ctx context.Context, c *caller, req *kmsg.DescribeTransactionsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeTransactionsResponse()
	resp.Version = req.Version
	for _, id := range req.TransactionalIDs {
		out := kmsg.NewDescribeTransactionsResponseTransactionState()
		out.TransactionalID, out.ProducerID, out.ProducerEpoch, out.StartTimestamp = id, -1, -1, -1
		var st *txn.State
		err := c.may(ctx, auth.ResourceTransactionalID, id)
		if err == nil {
			st, err = s.backend.Transactions.Describe(ctx, id)
		}
		if out.ErrorCode = s.code(err); err == nil {
			s.describeTransaction(ctx, c, st, &out)
		}
		resp.TransactionStates = append(resp.TransactionStates, out)
	}
	return resp, nil
}

func (s *Server) describeTransaction(ctx context.Context, c *caller, st *txn.State, out *kmsg.DescribeTransactionsResponseTransactionState) {
	out.State, out.TimeoutMillis = string(st.Phase), st.TimeoutMs
	out.ProducerID, out.ProducerEpoch = int64(st.Producer), int16(st.Epoch)
	if st.Phase == txn.Ongoing {
		out.StartTimestamp = st.StartedMs
	}
	for id, parts := range maps.All(st.Partitions) {
		known, ok := s.backend.Topics.TopicByID(id)
		if !ok || !c.shows(ctx, auth.ResourceTopic, known.Name) {
			continue // deleted meanwhile, or not to be shown
		}
		t := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
		t.Topic, t.Partitions = known.Name, parts
		out.Topics = append(out.Topics, t)
	}
	slices.SortFunc(out.Topics, func(a, b kmsg.DescribeTransactionsResponseTransactionStateTopic) int {
		return cmp.Compare(a.Topic, b.Topic)
	})
}
