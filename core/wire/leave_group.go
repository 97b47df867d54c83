package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
)

// LeaveGroup (key 13), versions 0-5.
//
//	v3  many members, also by group instance id; each has its own error
//	v4  flexible
//	v5  reason
func (s *Server) leaveGroup(ctx context.Context, c *caller, req *kmsg.LeaveGroupRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrLeaveGroupResponse()
	resp.Version = req.Version
	if err := c.may(ctx, auth.ResourceGroup, req.Group); err != nil {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	var members []group.LeaveRequest
	if req.Version < 3 {
		members = []group.LeaveRequest{{MemberID: req.MemberID}}
	}
	for _, m := range req.Members {
		members = append(members, group.LeaveRequest{MemberID: m.MemberID, Instance: text(m.InstanceID)})
	}
	errs, err := s.backend.Groups.Leave(ctx, req.Group, members)
	if err != nil {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	if req.Version < 3 {
		resp.ErrorCode = s.code(errs[0])
		return resp, nil
	}
	for i, m := range req.Members {
		one := kmsg.NewLeaveGroupResponseMember()
		one.MemberID, one.InstanceID, one.ErrorCode = m.MemberID, m.InstanceID, s.code(errs[i])
		resp.Members = append(resp.Members, one)
	}
	return resp, nil
}
