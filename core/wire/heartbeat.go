package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
)

// Heartbeat (key 12), versions 0-4.
//
//	v3  group instance ids
//	v4  flexible
func (s *Server) heartbeat(ctx context.Context, c *caller, req *kmsg.HeartbeatRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrHeartbeatResponse()
	resp.Version = req.Version
	if err := c.may(ctx, auth.ResourceGroup, req.Group); err != nil {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	resp.ErrorCode = s.code(s.backend.Groups.Heartbeat(ctx, req.Group, group.HeartbeatRequest{
		MemberID: req.MemberID, Instance: text(req.InstanceID), Generation: req.Generation,
	}))
	return resp, nil
}
