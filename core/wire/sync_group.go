package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
)

// SyncGroup (key 14), versions 0-5.
//
//	v3  group instance ids
//	v4  flexible
//	v5  protocol type and protocol, compared with the group's
//
// It waits until the leader's has come.
func (s *Server) syncGroup(ctx context.Context, c *caller, req *kmsg.SyncGroupRequest) (kmsg.Response, error) {
	r := group.SyncRequest{
		MemberID: req.MemberID, Instance: text(req.InstanceID), Generation: req.Generation,
		ProtocolType: req.ProtocolType, Protocol: req.Protocol, Assignments: map[string][]byte{},
	}
	for _, a := range req.GroupAssignment {
		r.Assignments[a.MemberID] = append([]byte{}, a.MemberAssignment...)
	}
	res := group.SyncResult{Err: c.may(ctx, auth.ResourceGroup, req.Group)}
	if res.Err == nil {
		res = s.backend.Groups.Sync(c.conn.poll, req.Group, r)
	}
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.Version = req.Version
	resp.ErrorCode, resp.MemberAssignment = s.code(res.Err), res.Assignment
	if res.Err == nil {
		resp.ProtocolType, resp.Protocol = &res.ProtocolType, &res.Protocol
	}
	return resp, nil
}
