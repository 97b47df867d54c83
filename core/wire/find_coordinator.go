package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
)

// FindCoordinator (key 10), versions 0-6.
//
//	v1  coordinators of transactions too (type 1); error messages
//	v3  flexible
//	v4  many keys at once
//	v6  share groups (type 2)
//
// The coordinator is a hash of the name over all live instances; it knows no zones, so Metadata for a client's zone
// names it too.
func (s *Server) findCoordinator(ctx context.Context, c *caller, req *kmsg.FindCoordinatorRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrFindCoordinatorResponse()
	resp.Version = req.Version
	keys := req.CoordinatorKeys
	if req.Version < 4 {
		keys = []string{req.CoordinatorKey}
	}
	for _, key := range keys {
		resp.Coordinators = append(resp.Coordinators, s.coordinator(ctx, c, req.CoordinatorType, key))
	}
	if req.Version < 4 {
		one := resp.Coordinators[0]
		resp.ErrorCode, resp.ErrorMessage = one.ErrorCode, one.ErrorMessage
		resp.NodeID, resp.Host, resp.Port = one.NodeID, one.Host, one.Port
	}
	return resp, nil
}

func (s *Server) coordinator(ctx context.Context, c *caller, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key, out.NodeID, out.Port = key, -1, -1
	var err error
	switch kind {
	case 0, 1: // any instance takes any transactional id; one address saves conflicts
		if err = c.may(ctx, coordinated(kind), key); err != nil {
			break
		}
		in, e := s.backend.Groups.Find(key)
		if err = e; err == nil {
			at := in.Endpoint(c.conn.listener)
			out.NodeID, out.Host, out.Port = in.Node, at.Host, at.Port
		}
	case 2:
		err = fmt.Errorf("%w: type %d", errCoordinatorType, kind)
	default:
		err = fmt.Errorf("%w: coordinators of type %d", errRequest, kind)
	}
	out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
	return out
}

// coordinated is what kind of resource a coordinator is looked for.
func coordinated(kind int8) auth.ResourceType {
	if kind == 1 {
		return auth.ResourceTransactionalID
	}
	return auth.ResourceGroup
}
