package rest

import (
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// Topics, partitions and brokers as version 2 shows them.

type topicJSON struct {
	Name       string            `json:"name"`
	Configs    map[string]string `json:"configs"`
	Partitions []partitionJSON   `json:"partitions"`
}

type partitionJSON struct {
	Partition int32         `json:"partition"`
	Leader    int32         `json:"leader"`
	Replicas  []replicaJSON `json:"replicas"`
}

type replicaJSON struct {
	Broker int32 `json:"broker"`
	Leader bool  `json:"leader"`
	InSync bool  `json:"in_sync"`
}

func (s *Server) listTopics(c *call) (*answer, error) {
	if err := s.fresh(c.ctx); err != nil {
		return nil, err
	}
	names := []string{}
	for _, t := range s.backend.Topics.AllTopics() {
		if s.showsTopic(c, t.Name) {
			names = append(names, t.Name)
		}
	}
	return ok(names)
}

func (s *Server) showTopic(c *call) (*answer, error) {
	t, _, err := s.named(c)
	if err != nil {
		return nil, err
	}
	out := topicJSON{Name: t.Name, Configs: map[string]string{}, Partitions: s.partitions(t)}
	for _, def := range topic.Table() {
		if s.mayAlso(c.aside(), auth.OperationDescribeConfigs, auth.ResourceTopic, t.Name) != nil {
			break
		}
		out.Configs[def.Name], _ = topic.Effective(t, def)
	}
	return ok(out)
}

func (s *Server) partitions(t *ledger.Topic) []partitionJSON {
	out := []partitionJSON{}
	live := s.backend.Cluster.Live()
	for n := range t.Partitions {
		out = append(out, partitionOf(live, record.TopicPartition{Topic: t.ID, Partition: n}))
	}
	return out
}

// partitionOf shows a partition with the instance that clients should prefer as its leader; it has one replica, in the object store.
func partitionOf(live []instance.Info, tp record.TopicPartition) partitionJSON {
	leader := int32(-1)
	if in, ok := instance.Preferred(live, tp, ""); ok {
		leader = in.Node
	}
	return partitionJSON{Partition: tp.Partition, Leader: leader, Replicas: []replicaJSON{{Broker: leader, Leader: true, InSync: true}}}
}

func (s *Server) listPartitions(c *call) (*answer, error) {
	t, _, err := s.named(c)
	if err != nil {
		return nil, err
	}
	return ok(s.partitions(t))
}

func (s *Server) showPartition(c *call) (*answer, error) {
	_, tp, err := s.named(c)
	if err != nil {
		return nil, err
	}
	return ok(partitionOf(s.backend.Cluster.Live(), tp))
}

func (s *Server) showEnds(c *call) (*answer, error) {
	_, tp, err := s.named(c)
	if err != nil {
		return nil, err
	}
	b, err := s.backend.Reader.Bounds(c.ctx, tp)
	if err != nil {
		return nil, err
	}
	return ok(struct {
		Beginning record.Offset `json:"beginning_offset"`
		End       record.Offset `json:"end_offset"`
	}{b.LogStart, b.HighWatermark})
}

func (s *Server) listBrokers(*call) (*answer, error) {
	nodes := []int32{}
	for _, in := range s.backend.Cluster.Live() {
		nodes = append(nodes, in.Node)
	}
	return ok(struct {
		Brokers []int32 `json:"brokers"`
	}{nodes})
}
