package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
)

// JoinGroup (key 11), versions 0-9.
//
//	v1  rebalance timeout; before it is the session timeout
//	v4  a member without id is given one, and comes again with it (KIP-394)
//	v5  group instance ids (KIP-345)
//	v6  flexible
//	v7  protocol type and null protocols in answers
//	v8  reason
//	v9  skip_assignment (KIP-814)
//
// It waits until all members have joined; a client has a connection of its own for it.
func (s *Server) joinGroup(ctx context.Context, c *caller, req *kmsg.JoinGroupRequest) (kmsg.Response, error) {
	r := group.JoinRequest{
		MemberID: req.MemberID, Instance: text(req.InstanceID), Client: c.client, Host: c.host(),
		SessionMs: req.SessionTimeoutMillis, RebalanceMs: req.RebalanceTimeoutMillis, ProtocolType: req.ProtocolType,
		NeedsID: req.Version >= 4, MaySkip: req.Version >= 9,
	}
	if req.Version == 0 {
		r.RebalanceMs = r.SessionMs
	}
	for _, p := range req.Protocols {
		r.Protocols = append(r.Protocols, group.Protocol{Name: p.Name, Metadata: append([]byte{}, p.Metadata...)})
	}
	res := group.JoinResult{Err: c.may(ctx, auth.ResourceGroup, req.Group), MemberID: req.MemberID, Generation: -1}
	if res.Err == nil {
		res = s.backend.Groups.Join(c.conn.poll, req.Group, r)
	}
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version = req.Version
	resp.ErrorCode, resp.MemberID, resp.Generation = s.code(res.Err), res.MemberID, res.Generation
	if res.Err != nil {
		if req.Version < 7 {
			resp.Protocol = kmsg.StringPtr("")
		}
		return resp, nil
	}
	resp.ProtocolType, resp.Protocol = &res.ProtocolType, &res.Protocol
	resp.LeaderID, resp.SkipAssignment = res.Leader, res.SkipAssignment
	for _, m := range res.Members {
		one := kmsg.NewJoinGroupResponseMember()
		one.MemberID, one.InstanceID, one.ProtocolMetadata = m.ID, optional(m.Instance), m.Metadata
		resp.Members = append(resp.Members, one)
	}
	return resp, nil
}
