package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
)

// EndTxn (key 26), versions 0-5.
//
//	v2  PRODUCER_FENCED
//	v3  flexible
//	v5  every end gives the producer a new epoch, or a new id (KIP-890)
//
// Sent again after a lost answer it succeeds, with the epoch that the first gave.
func (s *Server) endTxn(ctx context.Context, c *caller, req *kmsg.EndTxnRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrEndTxnResponse()
	resp.Version = req.Version
	if err := c.may(ctx, auth.ResourceTransactionalID, req.TransactionalID); err != nil {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	now, err := s.backend.Transactions.End(ctx, req.TransactionalID, identity(req.ProducerID, req.ProducerEpoch), req.Commit, req.Version >= 5)
	resp.ErrorCode = fencedCode(s.code(err), req.Version >= 2)
	if err == nil {
		resp.ProducerID, resp.ProducerEpoch = int64(now.Producer), int16(now.Epoch)
	}
	return resp, nil
}
