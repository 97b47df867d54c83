package wire

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
)

// ConsumerGroupHeartbeat (key 68), versions 0-1 (KIP-848).
//
//	v1  members make their own ids; topics by regular expression
func (s *Server) consumerGroupHeartbeat(ctx context.Context, c *caller, req *kmsg.ConsumerGroupHeartbeatRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	resp.Version = req.Version
	r := group.ConsumerRequest{
		MemberID: req.MemberID, Instance: text(req.InstanceID), Client: c.client, Host: c.host(), Epoch: req.MemberEpoch, Rack: req.RackID,
		RebalanceMs: req.RebalanceTimeoutMillis, Names: req.SubscribedTopicNames, Regex: req.SubscribedTopicRegex, Assignor: req.ServerAssignor,
	}
	if req.Group == "" || req.Version >= 1 && req.MemberID == "" {
		resp.ErrorCode = s.code(group.ErrInvalidRequest)
		resp.ErrorMessage = message(group.ErrInvalidRequest)
		return resp, nil
	}
	if req.Topics != nil {
		r.Owned = group.Gather(func(add func(record.TopicID, ...int32)) {
			for _, t := range req.Topics {
				add(t.TopicID, t.Partitions...)
			}
		})
	}
	if err := c.mayJoin(ctx, req); err != nil {
		resp.ErrorCode, resp.ErrorMessage = s.code(err), message(err)
		return resp, nil
	}
	res, err := s.backend.Groups.ConsumerHeartbeat(ctx, req.Group, r)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = s.code(err), message(err)
		return resp, nil
	}
	resp.MemberID, resp.MemberEpoch, resp.HeartbeatIntervalMillis = &res.MemberID, res.Epoch, int32(res.Heartbeat.Milliseconds())
	if req.MemberEpoch < 0 { // it leaves, and need not come back
		resp.HeartbeatIntervalMillis = 0
	}
	if res.Assignment != nil {
		a := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
		for _, id := range res.Assignment.Topics() {
			if known, ok := s.backend.Topics.TopicByID(id); ok && !c.shows(ctx, auth.ResourceTopic, known.Name) {
				continue // matched by a pattern, and not for this member to know of
			}
			t := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
			t.TopicID, t.Partitions = id, (*res.Assignment)[id]
			a.Topics = append(a.Topics, t)
		}
		resp.Assignment = &a
	}
	return resp, nil
}

// mayJoin says whether a member may be of its group, and describe all topics that it names.
func (c *caller) mayJoin(ctx context.Context, req *kmsg.ConsumerGroupHeartbeatRequest) error {
	if err := c.may(ctx, auth.ResourceGroup, req.Group); err != nil {
		return err
	}
	for _, name := range req.SubscribedTopicNames {
		if err := c.may(ctx, auth.ResourceTopic, name); err != nil {
			return err
		}
	}
	return nil
}
