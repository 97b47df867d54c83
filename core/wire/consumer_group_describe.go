package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/group"
)

// ConsumerGroupDescribe (key 69), versions 0-1 (KIP-848).
//
//	v1  member types: 0 is classic, 1 is consumer
func (s *Server) consumerGroupDescribe(ctx context.Context, _ *caller, req *kmsg.ConsumerGroupDescribeRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrConsumerGroupDescribeResponse()
	resp.Version = req.Version
	for _, name := range req.Groups {
		d, err := s.backend.Groups.Describe(ctx, name)
		if err == nil && d.Kind != group.Consumer {
			err = fmt.Errorf("%w: %q is not a consumer group", group.ErrUnknownGroup, name)
		}
		out := kmsg.NewConsumerGroupDescribeResponseGroup()
		out.Group, out.State = name, string(group.Dead)
		if req.IncludeAuthorizedOperations {
			out.AuthorizedOperations = groupOperations
		}
		if err != nil {
			out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
			resp.Groups = append(resp.Groups, out)
			continue
		}
		out.State, out.Epoch, out.AssignmentEpoch, out.AssignorName = string(d.Phase), d.Generation, d.TargetEpoch, d.Assignor
		for _, m := range d.Members {
			out.Members = append(out.Members, describedConsumer(m))
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp, nil
}

func describedConsumer(m group.MemberDescription) kmsg.ConsumerGroupDescribeResponseGroupMember {
	one := kmsg.NewConsumerGroupDescribeResponseGroupMember()
	one.MemberID, one.InstanceID, one.RackID, one.MemberEpoch = m.ID, optional(m.Instance), optional(m.Rack), m.Epoch
	one.ClientID, one.ClientHost, one.SubscribedTopics, one.SubscribedTopicRegex = m.Client, m.Host, m.Names, optional(m.Regex)
	one.Assignment, one.TargetAssignment = assignmentOf(m.Assigned), assignmentOf(m.Target)
	if !m.Classic {
		one.MemberType = 1
	}
	return one
}

func assignmentOf(topics []group.TopicPartitions) kmsg.Assignment {
	out := kmsg.NewAssignment()
	for _, t := range topics {
		one := kmsg.NewAssignmentTopicPartition()
		one.TopicID, one.Topic, one.Partitions = t.ID, t.Name, t.Partitions
		out.TopicPartitions = append(out.TopicPartitions, one)
	}
	return out
}
