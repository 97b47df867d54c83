package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
)

// DeleteGroups (key 42), versions 0-3.
//
//	v2  flexible
//	v3  error messages
//
// A group goes with its offsets, when it has no members.
func (s *Server) deleteGroups(ctx context.Context, c *caller, req *kmsg.DeleteGroupsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDeleteGroupsResponse()
	resp.Version = req.Version
	for _, name := range req.Groups {
		err := c.may(ctx, auth.ResourceGroup, name)
		if err == nil {
			err = s.backend.Groups.Delete(ctx, name)
		}
		one := kmsg.NewDeleteGroupsResponseGroup()
		one.Group, one.ErrorCode, one.ErrorMessage = name, s.code(err), message(err)
		resp.Groups = append(resp.Groups, one)
	}
	return resp, nil
}
