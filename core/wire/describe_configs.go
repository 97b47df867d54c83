package wire

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/topic"
)

// DescribeConfigs (key 32), versions 0-4.
//
//	v0  is_default instead of a source
//	v1  source, synonyms when asked for
//	v3  type, documentation when asked for
//	v4  flexible
//
// Null names means all configs; an empty list means all too. Topics show the whole table. A
// broker is answered by itself only and is read-only here: its settings are flags. Broker "" (the cluster's
// dynamic defaults) has none.
func (s *Server) describeConfigs(ctx context.Context, _ *caller, req *kmsg.DescribeConfigsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	resp.Version = req.Version
	find := s.names()
	for _, asked := range req.Resources {
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		all, err := s.configsOf(ctx, find, asked)
		out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
		for _, c := range all {
			if len(asked.ConfigNames) == 0 || slices.Contains(asked.ConfigNames, c.Name) {
				out.Configs = append(out.Configs, shownConfig(c, req))
			}
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp, nil
}

// shownConfig leaves out what was not asked for.
func shownConfig(c kmsg.DescribeConfigsResponseResourceConfig, req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	if !req.IncludeSynonyms {
		c.ConfigSynonyms = nil
	}
	if !req.IncludeDocumentation {
		c.Documentation = nil
	}
	return c
}

func (s *Server) configsOf(ctx context.Context, find *names, asked kmsg.DescribeConfigsRequestResource) ([]kmsg.DescribeConfigsResponseResourceConfig, error) {
	switch asked.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		return s.topicConfigs(ctx, find, asked.ResourceName)
	case kmsg.ConfigResourceTypeBroker:
		if asked.ResourceName == "" {
			return nil, nil
		}
		if err := s.isUs(asked.ResourceName); err != nil {
			return nil, err
		}
		return s.brokerConfigs(), nil
	}
	return nil, fmt.Errorf("%w: configs of resource type %v are not served", errRequest, asked.ResourceType)
}

func (s *Server) isUs(name string) error {
	node, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return fmt.Errorf("%w: broker id %q is not a number", errRequest, name)
	}
	if self := s.backend.Cluster.Self(); int32(node) != self {
		return fmt.Errorf("%w: this is broker %d; ask broker %d itself", errRequest, self, node)
	}
	return nil
}

func (s *Server) topicConfigs(ctx context.Context, find *names, name string) ([]kmsg.DescribeConfigsResponseResourceConfig, error) {
	t, err := s.named(ctx, find, name)
	if err != nil {
		return nil, err
	}
	var out []kmsg.DescribeConfigsResponseResourceConfig
	for _, c := range topic.Table() {
		value, from := topic.Effective(t, c)
		one := describedConfig(c.Name, value, kmsg.ConfigType(c.Kind), kmsg.ConfigSource(from), c.Doc)
		if from == topic.FromTopic {
			one.ConfigSynonyms = append(one.ConfigSynonyms, synonym(c.Name, value, kmsg.ConfigSourceDynamicTopicConfig))
		}
		if c.Synonym != "" {
			one.ConfigSynonyms = append(one.ConfigSynonyms, synonym(c.Synonym, c.Default, kmsg.ConfigSourceDefaultConfig))
		}
		out = append(out, one)
	}
	return out, nil
}

func describedConfig(name, value string, kind kmsg.ConfigType, source kmsg.ConfigSource, doc string) kmsg.DescribeConfigsResponseResourceConfig {
	one := kmsg.NewDescribeConfigsResponseResourceConfig()
	one.Name, one.Value, one.ConfigType, one.Source, one.Documentation = name, &value, kind, source, &doc
	one.IsDefault = source == kmsg.ConfigSourceDefaultConfig
	return one
}

func synonym(name, value string, source kmsg.ConfigSource) kmsg.DescribeConfigsResponseResourceConfigConfigSynonym {
	syn := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
	syn.Name, syn.Value, syn.Source = name, &value, source
	return syn
}

// brokerConfigs are what Kafka's tools look for on a broker: the defaults of topics under their broker-wide
// names, and some settings of this front end.
func (s *Server) brokerConfigs() []kmsg.DescribeConfigsResponseResourceConfig {
	admin := s.backend.Admin.Settings()
	var out []kmsg.DescribeConfigsResponseResourceConfig
	add := func(name, value string, kind kmsg.ConfigType, source kmsg.ConfigSource, doc string) {
		one := describedConfig(name, value, kind, source, doc)
		one.ReadOnly = true
		one.ConfigSynonyms = append(one.ConfigSynonyms, synonym(name, value, source))
		out = append(out, one)
	}
	static := kmsg.ConfigSourceStaticBrokerConfig
	add("auto.create.topics.enable", strconv.FormatBool(s.settings.AutoCreate), kmsg.ConfigTypeBoolean, static, "Topics are made when a client asks for their metadata and allows it.")
	add("broker.id", strconv.Itoa(int(s.backend.Cluster.Self())), kmsg.ConfigTypeInt, static, "The node id of this instance.")
	add("connections.max.idle.ms", strconv.FormatInt(s.settings.IdleMax.Milliseconds(), 10), kmsg.ConfigTypeLong, static, "A connection without a request for so long is closed.")
	add("default.replication.factor", strconv.Itoa(int(admin.ReplicationFactor)), kmsg.ConfigTypeInt, static, "Shown to clients; durability is the object store's.")
	add("delete.topic.enable", "true", kmsg.ConfigTypeBoolean, kmsg.ConfigSourceDefaultConfig, "Topics can be deleted.")
	add("num.partitions", strconv.Itoa(int(admin.Partitions)), kmsg.ConfigTypeInt, static, "Partitions of a topic whose creator leaves it open.")
	add("socket.request.max.bytes", strconv.Itoa(s.settings.FrameBytesMax), kmsg.ConfigTypeInt, static, "The largest request; a larger one closes its connection.")
	for _, c := range topic.Table() {
		if c.Synonym != "" {
			add(c.Synonym, c.Default, kmsg.ConfigType(c.Kind), kmsg.ConfigSourceDefaultConfig, c.Doc)
		}
	}
	return out
}
