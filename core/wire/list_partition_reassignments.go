package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListPartitionReassignments (key 46), version 0: none is ever in progress.
func (s *Server) listPartitionReassignments(ctx context.Context, c *caller, req *kmsg.ListPartitionReassignmentsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrListPartitionReassignmentsResponse()
	resp.Version = req.Version
	if err := c.mayCluster(ctx); err != nil {
		resp.ErrorCode, resp.ErrorMessage = s.code(err), message(err)
		return resp, nil
	}
	return resp, nil
}
