package rest

import (
	"fmt"
	"math"
	"net/url"
	"strings"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/topic"
)

// Version 3: every resource says its kind, where it is, and where others are that belong to it.

type metadataJSON struct {
	Self string `json:"self"`
	Name string `json:"resource_name,omitempty"`
}

type listMetadataJSON struct {
	Self string  `json:"self"`
	Next *string `json:"next"`
}

type relatedJSON struct {
	Related string `json:"related"`
}

type listJSON[T any] struct {
	Kind     string           `json:"kind"`
	Metadata listMetadataJSON `json:"metadata"`
	Data     []T              `json:"data"`
}

// link is a resource's place: URL and name, of pairs of kind and value.
type link struct {
	s    *Server
	c    *call
	path string
	name string
}

// cluster3 is the cluster of the path.
func (s *Server) cluster3(c *call) (link, error) {
	id := s.backend.Topics.ClusterID()
	if asked, has := c.params["cluster"]; has && asked != id {
		return link{}, fmt.Errorf("%w: %q; this one is %q", errNoCluster, cut(asked), id)
	}
	return link{s, c, "/v3/clusters/" + url.PathEscape(id), "crn:///kafka=" + id}, nil
}

// to is a resource below; kind "" is only in the URL.
func (l link) to(segment, kind, value string) link {
	l.path += "/" + segment
	if value != "" {
		l.path += "/" + url.PathEscape(value)
	}
	if kind != "" {
		l.name += "/" + kind + "=" + value
	}
	return l
}

func (l link) url() string            { return l.s.base(l.c) + l.path }
func (l link) metadata() metadataJSON { return metadataJSON{l.url(), l.name} }
func (l link) related(segment string) relatedJSON {
	return relatedJSON{l.url() + "/" + segment}
}

func listOf[T any](kind string, l link, data []T) (*answer, error) {
	if data == nil {
		data = []T{}
	}
	return ok(listJSON[T]{kind, listMetadataJSON{Self: l.url()}, data})
}

type clusterJSON struct {
	Kind     string       `json:"kind"`
	Metadata metadataJSON `json:"metadata"`
	ID       string       `json:"cluster_id"`
	Topics   relatedJSON  `json:"topics"`
	Groups   relatedJSON  `json:"consumer_groups"`
}

func (s *Server) clusterOf(l link) clusterJSON {
	return clusterJSON{"KafkaCluster", l.metadata(), s.backend.Topics.ClusterID(), l.related("topics"), l.related("consumer-groups")}
}

func (s *Server) listClusters(c *call) (*answer, error) {
	l, err := s.cluster3(c)
	if err != nil {
		return nil, err
	}
	all := l
	all.path = "/v3/clusters"
	return listOf("KafkaClusterList", all, []clusterJSON{s.clusterOf(l)})
}

func (s *Server) showCluster(c *call) (*answer, error) {
	l, err := s.cluster3(c)
	if err != nil {
		return nil, err
	}
	return ok(s.clusterOf(l))
}

type topic3JSON struct {
	Kind        string       `json:"kind"`
	Metadata    metadataJSON `json:"metadata"`
	Cluster     string       `json:"cluster_id"`
	Name        string       `json:"topic_name"`
	Internal    bool         `json:"is_internal"`
	Replication int16        `json:"replication_factor"`
	Count       int32        `json:"partitions_count"`
	Partitions  relatedJSON  `json:"partitions"`
	Configs     relatedJSON  `json:"configs"`
}

func (s *Server) topicOf3(l link, t *ledger.Topic) topic3JSON {
	l = l.to("topics", "topic", t.Name)
	return topic3JSON{"KafkaTopic", l.metadata(), s.backend.Topics.ClusterID(), t.Name, strings.HasPrefix(t.Name, "__"), t.ReplicationFactor, t.Partitions, l.related("partitions"), l.related("configs")}
}

func (s *Server) listTopics3(c *call) (*answer, error) {
	l, err := s.cluster3(c)
	if err != nil {
		return nil, err
	}
	if err := s.fresh(c.ctx); err != nil {
		return nil, err
	}
	var out []topic3JSON
	for _, t := range s.backend.Topics.AllTopics() {
		if s.showsTopic(c, t.Name) {
			out = append(out, s.topicOf3(l, t))
		}
	}
	return listOf("KafkaTopicList", l.to("topics", "", ""), out)
}

// topic3 is the cluster and topic of the path.
func (s *Server) topic3(c *call) (link, *ledger.Topic, error) {
	l, err := s.cluster3(c)
	if err != nil {
		return l, nil, err
	}
	t, err := s.topic(c, c.params["topic"])
	return l, t, err
}

func (s *Server) showTopic3(c *call) (*answer, error) {
	l, t, err := s.topic3(c)
	if err != nil {
		return nil, err
	}
	return ok(s.topicOf3(l, t))
}

type createTopicRequest struct {
	Name         string       `json:"topic_name"`
	Count        *int64       `json:"partitions_count"`
	Replication  *int64       `json:"replication_factor"`
	Configs      []configPair `json:"configs"`
	ValidateOnly bool         `json:"validate_only"`
}

type configPair struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

func (s *Server) createTopic(c *call) (*answer, error) {
	l, err := s.cluster3(c)
	if err != nil {
		return nil, err
	}
	var req createTopicRequest
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	if err := s.mayCreate(c, req.Name); err != nil {
		return nil, err
	}
	spec := topic.Spec{Name: req.Name, Partitions: -1, ReplicationFactor: -1, Configs: map[string]string{}}
	if req.Count != nil {
		if *req.Count < 1 || *req.Count > math.MaxInt32 {
			return nil, fmt.Errorf("%w: %d", topic.ErrInvalidPartitions, *req.Count)
		}
		spec.Partitions = int32(*req.Count)
	}
	if req.Replication != nil {
		if *req.Replication < 1 || *req.Replication > math.MaxInt16 {
			return nil, fmt.Errorf("%w: %d", topic.ErrInvalidReplication, *req.Replication)
		}
		spec.ReplicationFactor = int16(*req.Replication)
	}
	for _, p := range req.Configs {
		if _, twice := spec.Configs[p.Name]; twice {
			return nil, fmt.Errorf("%w: %s is given twice", topic.ErrInvalidConfig, p.Name)
		}
		if p.Value != nil {
			spec.Configs[p.Name] = *p.Value
		}
	}
	if !req.ValidateOnly {
		if err := s.mayMutate(c.ctx); err != nil {
			return nil, err
		}
	}
	t, err := s.backend.Admin.Create(c.ctx, spec, req.ValidateOnly)
	if err != nil {
		return nil, err
	}
	out := s.topicOf3(l, t)
	if req.ValidateOnly {
		return ok(out)
	}
	s.mutated(c.ctx, int(t.Partitions))
	c.w.Header().Set("Location", out.Metadata.Self)
	return &answer{status: 201, body: out}, nil
}

func (s *Server) growTopic(c *call) (*answer, error) {
	l, t, err := s.topic3(c)
	if err != nil {
		return nil, err
	}
	var req struct {
		Count *int64 `json:"partitions_count"`
	}
	if err := s.decode(c, &req, false); err != nil {
		return nil, err
	}
	if req.Count == nil || *req.Count < 1 || *req.Count > math.MaxInt32 {
		return nil, fmt.Errorf("%w: partitions_count is not a number from 1", topic.ErrInvalidPartitions)
	}
	if err := s.mayMutate(c.ctx); err != nil {
		return nil, err
	}
	before := t.Partitions
	if t, err = s.backend.Admin.Grow(c.ctx, t.Name, int32(*req.Count), false); err != nil {
		return nil, err
	}
	s.mutated(c.ctx, int(max(t.Partitions-before, 0)))
	return ok(s.topicOf3(l, t))
}

func (s *Server) deleteTopic(c *call) (*answer, error) {
	_, t, err := s.topic3(c)
	if err != nil {
		return nil, err
	}
	if err := s.mayMutate(c.ctx); err != nil {
		return nil, err
	}
	gone, err := s.backend.Admin.Delete(c.ctx, t.Name)
	if err != nil {
		return nil, err
	}
	s.mutated(c.ctx, int(gone.Partitions))
	return done()
}
