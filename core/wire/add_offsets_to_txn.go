package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
)

// AddOffsetsToTxn (key 25), versions 0-4: a group is of the transaction before its offsets are.
//
//	v2  PRODUCER_FENCED
//	v3  flexible
//	v4  ABORTABLE_TRANSACTION is known: never said here
func (s *Server) addOffsetsToTxn(ctx context.Context, c *caller, req *kmsg.AddOffsetsToTxnRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAddOffsetsToTxnResponse()
	resp.Version = req.Version
	err := c.may(ctx, auth.ResourceTransactionalID, req.TransactionalID)
	if err == nil {
		err = c.may(ctx, auth.ResourceGroup, req.Group)
	}
	switch {
	case err != nil:
	case req.Group == "":
		err = group.ErrInvalidGroup
	default:
		err = s.backend.Transactions.AddGroup(ctx, req.TransactionalID, identity(req.ProducerID, req.ProducerEpoch), req.Group)
	}
	resp.ErrorCode = fencedCode(s.code(err), req.Version >= 2)
	return resp, nil
}
