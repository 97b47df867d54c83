package wire

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ApiVersions (key 18), versions 0-4.
//
//	v0  error code, keys with their versions
//	v1  throttle time
//	v3  flexible (its response header never is); client name and version; features
//	v4  features with minimum 0
//
// A version that is not known is answered as v0 with UNSUPPORTED_VERSION and the versions of this key alone (KIP-511): given all
// keys franz-go would take them for the answer, and know of no features. Of features
// group.version is announced (KIP-848), and transaction.version at level 2: clients that know it end each transaction with a new
// epoch (KIP-890); the others name their partitions beforehand.
func (s *Server) apiVersions(_ context.Context, c *caller, req *kmsg.ApiVersionsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version = req.Version
	resp.FinalizedFeaturesEpoch = 0
	for _, f := range features() {
		final := kmsg.NewApiVersionsResponseFinalizedFeature()
		final.Name, final.MinVersionLevel, final.MaxVersionLevel = f.name, f.level, f.level
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, final)
		if req.Version >= 4 { // clients of v3 do not take a minimum of 0
			supported := kmsg.NewApiVersionsResponseSupportedFeature()
			supported.Name, supported.MinVersion, supported.MaxVersion = f.name, 0, f.level
			resp.SupportedFeatures = append(resp.SupportedFeatures, supported)
		}
	}
	if own := s.apis[kmsg.ApiVersions.Int16()]; c.version < own.min || c.version > own.max {
		resp.Version = 0
		resp.ErrorCode = kerr.UnsupportedVersion.Code
	}
	for _, a := range s.apis {
		if resp.ErrorCode != 0 && a.key != kmsg.ApiVersions {
			continue
		}
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = a.key.Int16(), a.min, a.max
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
	slices.SortFunc(resp.ApiKeys, func(a, b kmsg.ApiVersionsResponseApiKey) int { return int(a.ApiKey) - int(b.ApiKey) })
	return resp, nil
}
