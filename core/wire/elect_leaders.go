package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ElectLeaders (key 43), versions 0-2.
//
//	v1  election type: 0 preferred, 1 unclean; top-level error
//	v2  flexible
//
// There is nothing to elect: each partition that exists is answered with ELECTION_NOT_NEEDED, which tools take as done. Null
// topics are all; as in Kafka, partitions without need are then left out, so no partition is named.
func (s *Server) electLeaders(ctx context.Context, c *caller, req *kmsg.ElectLeadersRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrElectLeadersResponse()
	resp.Version = req.Version
	wrong := c.mayCluster(ctx)
	if wrong == nil && req.ElectionType != 0 && req.ElectionType != 1 {
		wrong = fmt.Errorf("%w: unknown election type %d", errRequest, req.ElectionType)
	}
	resp.ErrorCode = s.code(wrong)
	if req.Topics == nil && errors.Is(wrong, errClusterDenied) {
		return resp, nil
	}
	if req.Topics == nil {
		for _, t := range s.backend.Topics.AllTopics() {
			out := kmsg.NewElectLeadersResponseTopic()
			out.Topic = t.Name
			resp.Topics = append(resp.Topics, out)
		}
		return resp, nil
	}
	find := s.names(c)
	for _, asked := range req.Topics {
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = asked.Topic
		for _, n := range asked.Partitions {
			err := wrong
			if err == nil {
				err = s.elect(ctx, find, asked.Topic, n)
			}
			p := kmsg.NewElectLeadersResponseTopicPartition()
			p.Partition, p.ErrorCode, p.ErrorMessage = n, s.code(err), message(err)
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

// elect never succeeds: it gives why not.
func (s *Server) elect(ctx context.Context, find *names, name string, partition int32) error {
	t, err := find.byName(ctx, name)
	if err != nil {
		return err
	}
	if _, err := find.partition(ctx, t, partition); err != nil {
		return err
	}
	return errNoElection
}
