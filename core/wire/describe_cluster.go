package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/instance"
)

// DescribeCluster (key 60), versions 0-2.
//
//	v1  endpoint type: brokers are 1; there are no controllers to show
//	v2  fenced brokers: there are none
func (s *Server) describeCluster(ctx context.Context, c *caller, req *kmsg.DescribeClusterRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeClusterResponse()
	resp.Version = req.Version
	if req.Version >= 1 && req.EndpointType != 1 {
		resp.ErrorCode = kerr.UnsupportedEndpointType.Code
		if req.EndpointType == 2 {
			resp.ErrorCode = kerr.MismatchedEndpointType.Code
		}
		resp.ErrorMessage = kmsg.StringPtr(fmt.Sprintf("endpoints of type %d are not served here; brokers are type 1", req.EndpointType))
		return resp, nil
	}
	live := s.backend.Cluster.Live()
	resp.ClusterID = s.backend.Topics.ClusterID()
	resp.ControllerID = controller(live)
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = c.clusterOperations(ctx)
	}
	for _, in := range instance.Shown(s.backend.Cluster.Everyone()) {
		b := kmsg.NewDescribeClusterResponseBroker()
		at := in.Endpoint(c.conn.listener)
		b.NodeID, b.Host, b.Port, b.Rack = in.Node, at.Host, at.Port, optional(in.Zone)
		resp.Brokers = append(resp.Brokers, b)
	}
	return resp, nil
}
