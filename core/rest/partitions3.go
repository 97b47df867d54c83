package rest

import (
	"strconv"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

type partition3JSON struct {
	Kind     string       `json:"kind"`
	Metadata metadataJSON `json:"metadata"`
	Cluster  string       `json:"cluster_id"`
	Topic    string       `json:"topic_name"`
	ID       int32        `json:"partition_id"`
	Offset   relatedJSON  `json:"offset"`
}

func (s *Server) partitionOf3(l link, t *ledger.Topic, n int32) partition3JSON {
	l = l.to("topics", "topic", t.Name).to("partitions", "partition", strconv.Itoa(int(n)))
	return partition3JSON{"KafkaPartition", l.metadata(), s.backend.Topics.ClusterID(), t.Name, n, l.related("offset")}
}

func (s *Server) listPartitions3(c *call) (*answer, error) {
	l, t, err := s.topic3(c)
	if err != nil {
		return nil, err
	}
	var out []partition3JSON
	for n := range t.Partitions {
		out = append(out, s.partitionOf3(l, t, n))
	}
	return listOf("KafkaPartitionList", l.to("topics", "topic", t.Name).to("partitions", "", ""), out)
}

// partition3 is the cluster, topic and partition of the path.
func (s *Server) partition3(c *call) (link, *ledger.Topic, record.TopicPartition, error) {
	l, err := s.cluster3(c)
	if err != nil {
		return l, nil, record.TopicPartition{}, err
	}
	t, tp, err := s.named(c)
	return l, t, tp, err
}

func (s *Server) showPartition3(c *call) (*answer, error) {
	l, t, tp, err := s.partition3(c)
	if err != nil {
		return nil, err
	}
	return ok(s.partitionOf3(l, t, tp.Partition))
}

func (s *Server) showEnds3(c *call) (*answer, error) {
	l, t, tp, err := s.partition3(c)
	if err != nil {
		return nil, err
	}
	b, err := s.backend.Reader.Bounds(c.ctx, tp)
	if err != nil {
		return nil, err
	}
	self := l.to("topics", "topic", t.Name).to("partitions", "partition", strconv.Itoa(int(tp.Partition))).to("offset", "", "")
	return ok(struct {
		Kind     string        `json:"kind"`
		Metadata metadataJSON  `json:"metadata"`
		Cluster  string        `json:"cluster_id"`
		Topic    string        `json:"topic_name"`
		ID       int32         `json:"partition_id"`
		Earliest record.Offset `json:"earliest_offset"`
		Latest   record.Offset `json:"latest_offset"`
	}{"KafkaPartitionOffset", self.metadata(), s.backend.Topics.ClusterID(), t.Name, tp.Partition, b.LogStart, b.HighWatermark})
}
