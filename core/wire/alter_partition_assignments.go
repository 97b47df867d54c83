package wire

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/instance"
)

// AlterPartitionAssignments (key 45; Kafka: AlterPartitionReassignments), versions 0-1.
//
//	v1  whether the number of replicas may change: it never does
//
// Any instance serves any partition, and which ones are shown follows from who lives. So a list of the brokers that
// are shown already, in any order, is accepted and changes nothing; another one is refused rather than forgotten, since a
// tool would wait for it. Null replicas cancel a reassignment: none is ever in progress.
func (s *Server) alterPartitionAssignments(ctx context.Context, c *caller, req *kmsg.AlterPartitionAssignmentsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	resp.Version = req.Version
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	if err := c.mayCluster(ctx); err != nil {
		resp.ErrorCode, resp.ErrorMessage = s.code(err), message(err)
		return resp, nil
	}
	d := describer{live: s.backend.Cluster.Live(), zone: s.zone(c)}
	find := s.names(c)
	for _, asked := range req.Topics {
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = asked.Topic
		for _, q := range asked.Partitions {
			err := d.reassign(ctx, find, asked.Topic, q)
			p := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			p.Partition, p.ErrorCode, p.ErrorMessage = q.Partition, s.code(err), message(err)
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

func (d describer) reassign(ctx context.Context, find *names, name string, q kmsg.AlterPartitionAssignmentsRequestTopicPartition) error {
	t, err := find.byName(ctx, name)
	if err != nil {
		return err
	}
	if _, err := find.partition(ctx, t, q.Partition); err != nil {
		return err
	}
	if q.Replicas == nil {
		return errNoReassignment
	}
	for _, node := range q.Replicas {
		if !slices.ContainsFunc(d.live, func(in instance.Info) bool { return in.Node == node }) {
			return fmt.Errorf("%w: there is no live broker %d", errAssignment, node)
		}
	}
	now := d.replicas(t, q.Partition)
	if !slices.Equal(slices.Sorted(slices.Values(now)), slices.Sorted(slices.Values(q.Replicas))) {
		return fmt.Errorf("%w: the partition is shown at brokers %v, which follows from who lives; any broker serves it, so there is nothing to move to %v", errAssignment, now, q.Replicas)
	}
	return nil
}
