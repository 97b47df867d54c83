package wire

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
)

// ListGroups (key 16), versions 0-5.
//
//	v3  flexible
//	v4  states, and a filter by them
//	v5  types, and a filter by them
//
// Each instance names the groups that it coordinates; clients ask all. Groups that may not be described are left out, unless the
// cluster may be.
func (s *Server) listGroups(ctx context.Context, c *caller, req *kmsg.ListGroupsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrListGroupsResponse()
	resp.Version = req.Version
	groups, err := s.backend.Groups.List(ctx)
	resp.ErrorCode = s.code(err)
	all := c.mayAlso(auth.Aside(ctx), auth.OperationDescribe, auth.ResourceCluster, auth.ClusterName) == nil
	for _, g := range groups {
		if !among(req.StatesFilter, string(g.Phase)) || !among(req.TypesFilter, string(g.Kind)) || !all && !c.shows(ctx, auth.ResourceGroup, g.Group) {
			continue
		}
		one := kmsg.NewListGroupsResponseGroup()
		one.Group, one.ProtocolType, one.GroupState, one.GroupType = g.Group, g.ProtocolType, string(g.Phase), string(g.Kind)
		resp.Groups = append(resp.Groups, one)
	}
	return resp, nil
}

// among says that a filter lets a word pass; an empty one lets all.
func among(filter []string, word string) bool {
	return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, word) })
}
