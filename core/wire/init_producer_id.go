package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
)

// InitProducerId (key 22), versions 0-5.
//
//	v2  flexible
//	v3  producer id and epoch that the client has: an idempotent producer that recovers
//	v4  PRODUCER_FENCED
//	v5  transactions version 2
//
// A null or empty transactional id gets a fresh producer id with epoch 0, always. Transactions are not served yet:
// UNSUPPORTED_VERSION is fatal to Java and librdkafka, and reads as what it is.
func (s *Server) initProducerID(ctx context.Context, _ *caller, req *kmsg.InitProducerIDRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.Version = req.Version
	resp.ProducerID, resp.ProducerEpoch = int64(record.NoProducer), -1
	if req.TransactionalID != nil && *req.TransactionalID != "" {
		resp.ErrorCode = s.code(ingest.ErrTransactional)
		return resp, nil
	}
	if (req.ProducerID == -1) != (req.ProducerEpoch == -1) {
		resp.ErrorCode = s.code(errRequest)
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
