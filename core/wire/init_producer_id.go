package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/record"
)

// InitProducerId (key 22), versions 0-5.
//
//	v2  flexible
//	v3  producer id and epoch that the client has: an idempotent producer that recovers
//	v4  PRODUCER_FENCED
//	v5  transactions version 2
//
// A null or empty transactional id gets a fresh producer id with epoch 0, always. With one, the producer gets the next epoch of
// that id, and what it had open is aborted.
func (s *Server) initProducerID(ctx context.Context, c *caller, req *kmsg.InitProducerIDRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.Version = req.Version
	resp.ProducerID, resp.ProducerEpoch = int64(record.NoProducer), -1
	if (req.ProducerID == -1) != (req.ProducerEpoch == -1) {
		resp.ErrorCode = s.code(errRequest)
		return resp, nil
	}
	if id := text(req.TransactionalID); id != "" {
		if err := c.may(ctx, auth.ResourceTransactionalID, id); err != nil {
			resp.ErrorCode = s.code(err)
			return resp, nil
		}
		now, err := s.backend.Transactions.Init(ctx, id, req.TransactionTimeoutMillis, identity(req.ProducerID, req.ProducerEpoch))
		resp.ErrorCode = fencedCode(s.code(err), req.Version >= 4)
		resp.ProducerID, resp.ProducerEpoch = int64(now.Producer), int16(now.Epoch)
		return resp, nil
	}
	if c.mayCluster(auth.Aside(ctx)) != nil && !s.maySome(ctx, auth.OperationWrite, auth.ResourceTopic) {
		resp.ErrorCode = s.code(c.mayCluster(ctx)) // which is told of now
		return resp, nil
	}
	id, err := s.backend.Producers.NextProducerID(ctx)
	if err != nil {
		s.log.Warn("no producer id", "error", err)
		resp.ErrorCode = s.code(fmt.Errorf("%w: %w", errNoProducerID, err))
		return resp, nil
	}
	resp.ProducerID, resp.ProducerEpoch = int64(id), 0
	return resp, nil
}
