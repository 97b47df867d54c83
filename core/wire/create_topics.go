package wire

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/topic"
)

// CreateTopics (key 19), versions 0-7.
//
//	v1  validate_only, error messages
//	v4  -1 partitions or replicas: the cluster's default (taken from any version here)
//	v5  flexible; the answer shows partitions, replicas and configs
//	v7  topic ids
//
// Topics are made one by one: a bad one does not hinder the others. Assignments of replicas are
// counted, and otherwise ignored: any instance serves any partition.
func (s *Server) createTopics(ctx context.Context, c *caller, req *kmsg.CreateTopicsRequest) (kmsg.Response, error) {
	ctx, cancel := adminTimeout(ctx, req.TimeoutMillis)
	defer cancel()
	resp := kmsg.NewPtrCreateTopicsResponse()
	resp.Version = req.Version
	named := make([]string, len(req.Topics))
	for i := range req.Topics {
		named[i] = req.Topics[i].Topic
	}
	repeats := newRepeats(named)
	for i, name := range named {
		if once, first := repeats.take(name); !once {
			if first {
				resp.Topics = append(resp.Topics, s.created(ctx, c, name, nil, fmt.Errorf("topic %q: %w", name, errTwice)))
			}
			continue
		}
		var t *ledger.Topic
		err := c.mayCreate(ctx, name)
		if err == nil {
			t, err = s.create(ctx, &req.Topics[i], req.ValidateOnly)
		}
		if err == nil && !req.ValidateOnly {
			c.used.mutations += int(t.Partitions)
		}
		out := s.created(ctx, c, name, t, err)
		if req.ValidateOnly {
			out.TopicID = [16]byte{}
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

// adminTimeout bounds a request by what its client allows, within reason.
func adminTimeout(ctx context.Context, ms int32) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, min(max(time.Duration(ms)*time.Millisecond, time.Second), 5*time.Minute))
}

func (s *Server) create(ctx context.Context, asked *kmsg.CreateTopicsRequestTopic, validateOnly bool) (*ledger.Topic, error) {
	spec := topic.Spec{Name: asked.Topic, Partitions: asked.NumPartitions, ReplicationFactor: asked.ReplicationFactor, Configs: map[string]string{}}
	if err := assigned(asked, &spec); err != nil {
		return nil, err
	}
	if live := len(s.backend.Cluster.Live()); s.settings.StrictReplication && int(spec.ReplicationFactor) > live {
		return nil, fmt.Errorf("%w: %d asked, %d live", errTooManyReplicas, spec.ReplicationFactor, live)
	}
	for _, c := range asked.Configs {
		if c.Value == nil {
			return nil, fmt.Errorf("%w: %s has no value", topic.ErrInvalidConfig, c.Name)
		}
		spec.Configs[c.Name] = *c.Value
	}
	return s.backend.Admin.Create(ctx, spec, validateOnly)
}

// assigned takes partitions and replicas from assignments, where there are any: partitions 0 to
// n-1, each once, all with as many replicas.
func assigned(asked *kmsg.CreateTopicsRequestTopic, spec *topic.Spec) error {
	n := len(asked.ReplicaAssignment)
	if n == 0 {
		return nil
	}
	if asked.NumPartitions != -1 || asked.ReplicationFactor != -1 {
		return fmt.Errorf("%w: with replica assignments, partitions and replication factor must be -1", errRequest)
	}
	seen := make([]bool, n)
	replicas := len(asked.ReplicaAssignment[0].Replicas)
	for _, a := range asked.ReplicaAssignment {
		if a.Partition < 0 || int(a.Partition) >= n || seen[a.Partition] || len(a.Replicas) != replicas || replicas == 0 {
			return fmt.Errorf("%w: partitions must be 0 to %d, each once, all with the same number of replicas", errAssignment, n-1)
		}
		for j, node := range a.Replicas {
			if slices.Contains(a.Replicas[:j], node) {
				return fmt.Errorf("%w: partition %d names broker %d twice", errAssignment, a.Partition, node)
			}
		}
		seen[a.Partition] = true
	}
	spec.Partitions, spec.ReplicationFactor = int32(n), int16(min(replicas, 1<<15-1))
	return nil
}

func (s *Server) created(ctx context.Context, c *caller, name string, t *ledger.Topic, err error) kmsg.CreateTopicsResponseTopic {
	out := kmsg.NewCreateTopicsResponseTopic()
	out.Topic, out.NumPartitions, out.ReplicationFactor = name, -1, -1
	out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
	if err != nil {
		out.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // null would say that they may not be seen
		return out
	}
	out.TopicID = t.ID
	if err := c.mayAlso(auth.Aside(ctx), auth.OperationDescribeConfigs, auth.ResourceTopic, name); err != nil {
		out.ConfigErrorCode = s.code(err)
		return out
	}
	out.NumPartitions, out.ReplicationFactor = t.Partitions, t.ReplicationFactor
	for _, c := range topic.Table() {
		value, source := topic.Effective(t, c)
		one := kmsg.NewCreateTopicsResponseTopicConfig()
		one.Name, one.Value, one.Source = c.Name, &value, int8(source)
		out.Configs = append(out.Configs, one)
	}
	return out
}
