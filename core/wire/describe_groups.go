package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
)

// DescribeGroups (key 15), versions 0-6.
//
//	v3  authorized operations
//	v4  group instance ids
//	v5  flexible
//	v6  a group that is not there is GROUP_ID_NOT_FOUND; before, it is Dead and no error
//
// A consumer group of KIP-848 is not there for this request, as in Kafka: ConsumerGroupDescribe shows it.
func (s *Server) describeGroups(ctx context.Context, c *caller, req *kmsg.DescribeGroupsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeGroupsResponse()
	resp.Version = req.Version
	for _, name := range req.Groups {
		var d group.Description
		err := c.may(ctx, auth.ResourceGroup, name)
		may := err == nil
		if may {
			d, err = s.backend.Groups.Describe(ctx, name)
		}
		if err == nil && d.Kind != group.Classic {
			err = fmt.Errorf("%w: %q is not a classic group", group.ErrUnknownGroup, name)
		}
		out := kmsg.NewDescribeGroupsResponseGroup()
		out.Group = name
		if req.IncludeAuthorizedOperations && may {
			out.AuthorizedOperations = c.operations(ctx, auth.ResourceGroup, name)
		}
		if err != nil {
			out.State = string(group.Dead)
			if req.Version >= 6 || !errors.Is(err, group.ErrUnknownGroup) {
				out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
			}
			resp.Groups = append(resp.Groups, out)
			continue
		}
		out.State, out.ProtocolType, out.Protocol = string(d.Phase), d.ProtocolType, d.Protocol
		for _, m := range d.Members {
			one := kmsg.NewDescribeGroupsResponseGroupMember()
			one.MemberID, one.InstanceID, one.ClientID, one.ClientHost = m.ID, optional(m.Instance), m.Client, m.Host
			one.ProtocolMetadata, one.MemberAssignment = m.Metadata, m.Assignment
			out.Members = append(out.Members, one)
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp, nil
}
