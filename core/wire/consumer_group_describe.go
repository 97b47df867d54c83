package wire

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
)

// ConsumerGroupDescribe (key 69), versions 0-1 (KIP-848).
//
//	v1  member types: 0 is classic, 1 is consumer
func (s *Server) consumerGroupDescribe(ctx context.Context, c *caller, req *kmsg.ConsumerGroupDescribeRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrConsumerGroupDescribeResponse()
	resp.Version = req.Version
	for _, name := range req.Groups {
		var d group.Description
		err := c.may(ctx, auth.ResourceGroup, name)
		may := err == nil
		if may {
			d, err = s.backend.Groups.Describe(ctx, name)
		}
		if err == nil && d.Kind != group.Consumer {
			err = fmt.Errorf("%w: %q is not a consumer group", group.ErrUnknownGroup, name)
		}
		out := kmsg.NewConsumerGroupDescribeResponseGroup()
		out.Group, out.State = name, string(group.Dead)
		if req.IncludeAuthorizedOperations && may {
			out.AuthorizedOperations = c.operations(ctx, auth.ResourceGroup, name)
		}
		if err == nil {
			err = c.maySee(ctx, d)
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

// maySee says whether the caller may describe all topics that a description of a group shows; as in Kafka it is shown whole or not at all.
func (c *caller) maySee(ctx context.Context, d group.Description) error {
	seen := map[string]bool{}
	for _, m := range d.Members {
		for _, name := range m.Names {
			seen[name] = true
		}
		for _, t := range slices.Concat(m.Assigned, m.Target) {
			seen[t.Name] = true
		}
	}
	delete(seen, "") // of topics that are gone
	for name := range seen {
		if err := c.may(ctx, auth.ResourceTopic, name); err != nil {
			return fmt.Errorf("%w: the group has topics that may not be shown", err)
		}
	}
	return nil
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
