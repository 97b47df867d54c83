package wire

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListConfigResources (key 74), versions 0-1: what has configs.
//
//	v0  client metrics only: there are none
//	v1  by type; no type means all
//
// Groups are listed when they have configs of their own; none has.
func (s *Server) listConfigResources(ctx context.Context, c *caller, req *kmsg.ListConfigResourcesRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrListConfigResourcesResponse()
	resp.Version = req.Version
	if err := c.mayCluster(ctx); err != nil {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	if req.Version == 0 {
		return resp, nil
	}
	kinds := slices.Compact(slices.Sorted(slices.Values(req.ResourceTypes)))
	if len(kinds) == 0 {
		kinds = []int8{int8(kmsg.ConfigResourceTypeTopic), int8(kmsg.ConfigResourceTypeBroker), int8(kmsg.ConfigResourceTypeBrokerLogger)}
	}
	for _, kind := range kinds {
		listed, err := s.configResources(ctx, kmsg.ConfigResourceType(kind))
		if err != nil {
			resp.ErrorCode, resp.ConfigResources = s.code(err), nil
			return resp, nil
		}
		for _, name := range listed {
			one := kmsg.NewListConfigResourcesResponseConfigResource()
			one.Name, one.Type = name, kind
			resp.ConfigResources = append(resp.ConfigResources, one)
		}
	}
	return resp, nil
}

func (s *Server) configResources(ctx context.Context, kind kmsg.ConfigResourceType) (listed []string, err error) {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		if err := s.backend.Topics.Barrier(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", errNotNow, err)
		}
		for _, t := range s.backend.Topics.AllTopics() {
			listed = append(listed, t.Name)
		}
	case kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger:
		for _, in := range s.backend.Cluster.Live() {
			listed = append(listed, strconv.Itoa(int(in.Node)))
		}
	case kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig:
	default:
		return nil, fmt.Errorf("%w: %d", errResourceType, kind)
	}
	return listed, nil
}
