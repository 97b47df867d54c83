package wire

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// feature is one of Kafka's, at the level that this build serves.
type feature struct {
	name  string
	level int16
}

// features are what ApiVersions announces, each supported from level 0 on.
func features() []feature {
	return []feature{{"group.version", 1}, {"transaction.version", 2}} // KIP-848, KIP-890
}

// UpdateFeatures (key 57), versions 0-2.
//
//	v1  validate_only; how to upgrade in place of allow_downgrade
//	v2  no results: one error for all
//
// Levels come with the build and are the same for all clients, so an update to the present level is accepted and any
// other refused, whether it is only validated or not.
func (s *Server) updateFeatures(ctx context.Context, c *caller, req *kmsg.UpdateFeaturesRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrUpdateFeaturesResponse()
	resp.Version = req.Version
	if err := c.mayCluster(ctx); err != nil {
		resp.ErrorCode, resp.ErrorMessage = s.code(err), message(err)
		return resp, nil
	}
	for _, u := range req.FeatureUpdates {
		if err := checkFeature(u.Feature, u.MaxVersionLevel); err != nil {
			resp.ErrorCode, resp.ErrorMessage, resp.Results = s.code(err), message(err), nil
			return resp, nil
		}
		done := kmsg.NewUpdateFeaturesResponseResult()
		done.Feature = u.Feature
		resp.Results = append(resp.Results, done)
	}
	return resp, nil
}

func checkFeature(name string, level int16) error {
	for _, f := range features() {
		switch {
		case f.name == name && f.level == level:
			return nil
		case f.name == name:
			return fmt.Errorf("%w: %s is at level %d, which comes with this version of firnlog and cannot be set to %d", errFeature, name, f.level, level)
		}
	}
	return fmt.Errorf("%w: there is no feature %q here", errFeature, name)
}
