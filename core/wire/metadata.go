package wire

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// Metadata (key 3), versions 0-13.
//
//	v0   an empty list of topics means all
//	v1   null means all, empty means none; controller, rack, internal
//	v2   cluster id
//	v4   allow_auto_topic_creation; before it is always allowed
//	v5   offline replicas
//	v7   leader epoch: always 0
//	v8   authorized operations
//	v9   flexible
//	v10  topic ids in answers; v12 in requests
//	v13  top-level error
//
// Any instance serves any partition. The leader shown is the preferred one for the client's zone, a hint; each
// listener shows the addresses that its own clients can reach. A topic made by this request is answered at once.
//
// An instance that drains leads nothing, but stays among the brokers: franz-go refreshes the two apart from each other, and a consumer
// that still reads from a broker that it does not know the address of waits, up to 5 s, until it asks who leads. It is left out from when
// it sends its clients away: franz-go drops its connections to what it is not told of any more. Else it finds out that they were
// closed when it needs them next, at a later restart, and waits before it opens others (steer.go).
func (s *Server) metadata(ctx context.Context, c *caller, req *kmsg.MetadataRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = req.Version
	live := s.backend.Cluster.Live()
	for _, in := range instance.Shown(s.backend.Cluster.Everyone()) {
		b := kmsg.NewMetadataResponseBroker()
		at := in.Endpoint(c.conn.listener)
		b.NodeID, b.Host, b.Port, b.Rack = in.Node, at.Host, at.Port, optional(in.Zone)
		resp.Brokers = append(resp.Brokers, b)
	}
	resp.ClusterID = kmsg.StringPtr(s.backend.Topics.ClusterID())
	resp.ControllerID = controller(live)
	if req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = c.clusterOperations(ctx)
	}
	d := describer{live: live, zone: s.zone(c)}
	if req.IncludeTopicAuthorizedOperations {
		d.operations = func(name string) int32 { return c.operations(ctx, auth.ResourceTopic, name) }
	}
	if req.Topics == nil || req.Version == 0 && len(req.Topics) == 0 {
		for _, t := range s.backend.Topics.AllTopics() {
			if c.shows(ctx, auth.ResourceTopic, t.Name) {
				resp.Topics = append(resp.Topics, d.topic(t))
			}
		}
		return resp, nil
	}
	find := s.names(c)
	may := s.settings.AutoCreate && (req.AllowAutoTopicCreation || req.Version < 4)
	made := 0
	answered := map[string]bool{} // by name; else by id
	for _, asked := range req.Topics {
		key := string(asked.TopicID[:])
		if asked.Topic != nil {
			key = *asked.Topic
		}
		if answered[key] {
			continue
		}
		answered[key] = true
		t, err := s.describe(ctx, find, req.Version, asked)
		if errors.Is(err, errUnknownPartition) && may && made < s.settings.AutoCreateNamesMax {
			made++
			t, err = s.autoCreate(ctx, c, *asked.Topic)
		}
		if err != nil {
			resp.Topics = append(resp.Topics, failedTopic(asked, s.code(err)))
			continue
		}
		resp.Topics = append(resp.Topics, d.topic(t))
	}
	return resp, nil
}

// describe finds one topic of a request.
func (s *Server) describe(ctx context.Context, find *names, version int16, asked kmsg.MetadataRequestTopic) (*ledger.Topic, error) {
	byID := record.TopicID(asked.TopicID) != record.TopicID{}
	switch {
	case byID && version < 12, !byID && asked.Topic == nil:
		return nil, fmt.Errorf("%w: a topic id needs version 12, and a topic needs a name or an id", errRequest)
	case byID:
		return find.byID(ctx, asked.TopicID)
	}
	if err := topic.CheckName(*asked.Topic); err != nil {
		return nil, err
	}
	return find.byName(ctx, *asked.Topic)
}

// autoCreate makes a topic with the cluster's defaults. Somebody else may do so at the same time.
func (s *Server) autoCreate(ctx context.Context, c *caller, name string) (*ledger.Topic, error) {
	if err := c.mayCreate(ctx, name); err != nil {
		return nil, err
	}
	t, err := s.backend.Admin.Create(ctx, topic.Spec{Name: name, Partitions: -1, ReplicationFactor: -1}, false)
	switch {
	case errors.Is(err, topic.ErrExists):
		return s.names(c).byName(ctx, name)
	case errors.Is(err, topic.ErrUnavailable), errors.Is(err, topic.ErrUnknown):
		return nil, fmt.Errorf("%w: %w", errNotNow, err)
	}
	return t, err
}

func failedTopic(asked kmsg.MetadataRequestTopic, code int16) kmsg.MetadataResponseTopic {
	t := kmsg.NewMetadataResponseTopic()
	t.ErrorCode, t.Topic, t.TopicID = code, asked.Topic, asked.TopicID
	return t
}

// controller is the lowest live node; every instance serves what clients send there.
func controller(live []instance.Info) int32 {
	node := int32(math.MaxInt32)
	for _, in := range live {
		node = min(node, in.Node)
	}
	if len(live) == 0 {
		return -1
	}
	return node
}

// describer shows topics to clients of one zone.
type describer struct {
	live       []instance.Info
	zone       string
	operations func(name string) int32 // nil: not asked for
}

func (d describer) topic(t *ledger.Topic) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.TopicID = kmsg.StringPtr(t.Name), t.ID
	if d.operations != nil {
		out.AuthorizedOperations = d.operations(t.Name)
	}
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, t.Partitions)
	for i := range out.Partitions {
		p := &out.Partitions[i]
		p.Default()
		p.Partition, p.LeaderEpoch = int32(i), record.LeaderEpoch
		p.Replicas = d.replicas(t, int32(i))
		p.ISR = p.Replicas
		p.Leader = -1
		if len(p.Replicas) == 0 {
			p.ErrorCode = kerr.LeaderNotAvailable.Code
			continue
		}
		p.Leader = p.Replicas[0]
	}
	return out
}

// replicas are as many live instances as the topic's creator asked for, the preferred one first.
func (d describer) replicas(t *ledger.Topic, partition int32) []int32 {
	ranked := instance.Ranked(d.live, record.TopicPartition{Topic: t.ID, Partition: partition}, d.zone, max(int(t.ReplicationFactor), 1))
	nodes := make([]int32, len(ranked))
	for i := range ranked {
		nodes[i] = ranked[i].Node
	}
	return nodes
}

// optional makes null of "".
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
