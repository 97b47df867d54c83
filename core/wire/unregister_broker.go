package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// UnregisterBroker (key 64), version 0. An instance is registered as long as it lives, and no longer: there is never one to
// unregister. Kafka would take a live one out; here it would be back at once.
func (s *Server) unregisterBroker(ctx context.Context, c *caller, req *kmsg.UnregisterBrokerRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrUnregisterBrokerResponse()
	resp.Version = req.Version
	if err := c.mayCluster(ctx); err != nil {
		resp.ErrorCode, resp.ErrorMessage = s.code(err), message(err)
		return resp, nil
	}
	err := fmt.Errorf("broker %d: %w", req.BrokerID, errNotRegistered)
	for _, in := range s.backend.Cluster.Live() {
		if in.Node == req.BrokerID {
			err = fmt.Errorf("%w: broker %d is alive; stop its process, and its registration ends with it", errRequest, req.BrokerID)
		}
	}
	resp.ErrorCode, resp.ErrorMessage = s.code(err), message(err)
	return resp, nil
}
