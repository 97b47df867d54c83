package rest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/group"
)

type groupJSON struct {
	Kind       string       `json:"kind"`
	Metadata   metadataJSON `json:"metadata"`
	Cluster    string       `json:"cluster_id"`
	Group      string       `json:"consumer_group_id"`
	Simple     bool         `json:"is_simple"`
	Assignor   string       `json:"partition_assignor"`
	State      string       `json:"state"`
	Type       string       `json:"type"`
	Consumers  relatedJSON  `json:"consumers"`
	LagSummary relatedJSON  `json:"lag_summary"`
}

// states are version 3's words for where a group is.
func stateOf(p group.Phase) string {
	switch p {
	case group.Preparing:
		return "PREPARING_REBALANCE"
	case group.Completing:
		return "COMPLETING_REBALANCE"
	}
	return strings.ToUpper(string(p))
}

func (s *Server) groupOf(l link, name, protocolType, assignor string, phase group.Phase, kind group.Kind) groupJSON {
	l = l.to("consumer-groups", "consumer-group", name)
	return groupJSON{
		Kind: "KafkaConsumerGroup", Metadata: l.metadata(), Cluster: s.backend.Topics.ClusterID(), Group: name, Simple: protocolType == "",
		Assignor: assignor, State: stateOf(phase), Type: strings.ToUpper(string(kind)), Consumers: l.related("consumers"), LagSummary: l.related("lag-summary"),
	}
}

func (s *Server) listGroups(c *call) (*answer, error) {
	l, err := s.cluster3(c)
	if err != nil {
		return nil, err
	}
	all, err := s.backend.Groups.ListStored(c.ctx)
	if err != nil {
		return nil, err
	}
	var out []groupJSON
	every := s.mayAlso(c.aside(), auth.OperationDescribe, auth.ResourceCluster, auth.ClusterName) == nil
	for _, g := range all {
		if every || s.mayGroup(c.aside(), g.Group) == nil {
			out = append(out, s.groupOf(l, g.Group, g.ProtocolType, "", g.Phase, g.Kind))
		}
	}
	return listOf("KafkaConsumerGroupList", l.to("consumer-groups", "", ""), out)
}

// group3 is the cluster and group of the path.
func (s *Server) group3(c *call) (link, group.Description, error) {
	l, err := s.cluster3(c)
	if err != nil {
		return l, group.Description{}, err
	}
	if err := s.mayGroup(c, c.params["group"]); err != nil {
		return l, group.Description{}, err
	}
	d, err := s.backend.Groups.DescribeStored(c.ctx, c.params["group"])
	return l, d, err
}

func (s *Server) showGroup(c *call) (*answer, error) {
	l, d, err := s.group3(c)
	if err != nil {
		return nil, err
	}
	assignor := d.Assignor
	if d.Kind == group.Classic {
		assignor = d.Protocol
	}
	return ok(s.groupOf(l, d.Group, d.ProtocolType, assignor, d.Phase, d.Kind))
}

type consumerJSON struct {
	Kind        string       `json:"kind"`
	Metadata    metadataJSON `json:"metadata"`
	Cluster     string       `json:"cluster_id"`
	Group       string       `json:"consumer_group_id"`
	Consumer    string       `json:"consumer_id"`
	Instance    *string      `json:"instance_id"`
	Client      string       `json:"client_id"`
	Assignments relatedJSON  `json:"assignments"`
}

func (s *Server) consumerOf(l link, name string, m *group.MemberDescription) consumerJSON {
	l = l.to("consumer-groups", "consumer-group", name).to("consumers", "consumer", m.ID)
	return consumerJSON{"KafkaConsumer", l.metadata(), s.backend.Topics.ClusterID(), name, m.ID, notEmpty(m.Instance), m.Client, l.related("assignments")}
}

func notEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s *Server) listConsumers(c *call) (*answer, error) {
	l, d, err := s.group3(c)
	if err != nil {
		return nil, err
	}
	var out []consumerJSON
	for i := range d.Members {
		out = append(out, s.consumerOf(l, d.Group, &d.Members[i]))
	}
	return listOf("KafkaConsumerList", l.to("consumer-groups", "", d.Group).to("consumers", "", ""), out)
}

func (s *Server) member(c *call) (link, group.Description, *group.MemberDescription, error) {
	l, d, err := s.group3(c)
	if err != nil {
		return l, d, nil, err
	}
	i := slices.IndexFunc(d.Members, func(m group.MemberDescription) bool { return m.ID == c.params["consumer"] })
	if i < 0 {
		return l, d, nil, fmt.Errorf("%w: %q", errNoMember, cut(c.params["consumer"]))
	}
	return l, d, &d.Members[i], nil
}

func (s *Server) showConsumer(c *call) (*answer, error) {
	l, d, m, err := s.member(c)
	if err != nil {
		return nil, err
	}
	return ok(s.consumerOf(l, d.Group, m))
}

// has are the partitions of a member: what it was assigned by the server, or by the leader of a classic group.
func has(m *group.MemberDescription) []group.TopicPartitions {
	if len(m.Assignment) == 0 {
		return m.Assigned
	}
	a := kmsg.NewConsumerMemberAssignment()
	if a.ReadFrom(m.Assignment) != nil {
		return nil // not a consumer's: nobody else's business
	}
	var out []group.TopicPartitions
	for _, t := range a.Topics {
		out = append(out, group.TopicPartitions{Name: t.Topic, Partitions: t.Partitions})
	}
	return out
}

type assignmentJSON struct {
	Kind      string       `json:"kind"`
	Metadata  metadataJSON `json:"metadata"`
	Cluster   string       `json:"cluster_id"`
	Group     string       `json:"consumer_group_id"`
	Consumer  string       `json:"consumer_id"`
	Topic     string       `json:"topic_name"`
	Partition int32        `json:"partition_id"`
}

func (s *Server) listAssignments(c *call) (*answer, error) {
	l, d, m, err := s.member(c)
	if err != nil {
		return nil, err
	}
	self := l.to("consumer-groups", "consumer-group", d.Group).to("consumers", "consumer", m.ID).to("assignments", "", "")
	var out []assignmentJSON
	for _, t := range has(m) {
		if !s.showsTopic(c, t.Name) {
			continue
		}
		for _, n := range t.Partitions {
			one := self
			one.path += fmt.Sprintf("/%s/partitions/%d", t.Name, n)
			one.name += fmt.Sprintf("/assignment=%s/partition=%d", t.Name, n)
			out = append(out, assignmentJSON{"KafkaConsumerAssignment", one.metadata(), s.backend.Topics.ClusterID(), d.Group, m.ID, t.Name, n})
		}
	}
	return listOf("KafkaConsumerAssignmentList", self, out)
}
