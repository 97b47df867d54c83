package wire

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/topic"
)

// DescribeConfigs (key 32), versions 0-4.
//
//	v0  is_default instead of a source
//	v1  source, synonyms when asked for
//	v3  type, documentation when asked for
//	v4  flexible
//
// Null names means all configs; an empty list means all too. Topics show the whole table. A broker is answered by
// itself only (broker_configs.go); broker "" (the cluster's dynamic defaults) has none. Configs of groups are the same for
// every group. Client metrics are not served.
func (s *Server) describeConfigs(ctx context.Context, c *caller, req *kmsg.DescribeConfigsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	resp.Version = req.Version
	find := s.names(c)
	for _, asked := range req.Resources {
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		all, err := s.configsOf(ctx, c, find, asked)
		out.ErrorCode, out.ErrorMessage = s.code(err), message(err)
		if err == nil {
			out.ErrorMessage = kmsg.StringPtr("") // as Kafka, not null
		}
		for _, one := range all {
			if len(asked.ConfigNames) == 0 || slices.Contains(asked.ConfigNames, one.Name) {
				out.Configs = append(out.Configs, shownConfig(one, req))
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

func (s *Server) configsOf(ctx context.Context, c *caller, find *names, asked kmsg.DescribeConfigsRequestResource) ([]kmsg.DescribeConfigsResponseResourceConfig, error) {
	if err := c.mayConfigs(ctx, asked.ResourceType, asked.ResourceName); err != nil {
		return nil, err
	}
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
	case kmsg.ConfigResourceTypeBrokerLogger:
		if err := s.isUs(asked.ResourceName); err != nil {
			return nil, err
		}
		return s.loggerConfigs(ctx), nil
	case kmsg.ConfigResourceTypeGroupConfig:
		if asked.ResourceName == "" {
			return nil, fmt.Errorf("%w: the name of the group is empty", errRequest)
		}
		return s.groupConfigs(), nil
	}
	return nil, fmt.Errorf("%w: configs of resource type %v are not served", errRequest, asked.ResourceType)
}

// mayConfigs says whether the caller may do to configs what its request does: those of brokers are the cluster's.
func (c *caller) mayConfigs(ctx context.Context, kind kmsg.ConfigResourceType, name string) error {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		return c.may(ctx, auth.ResourceTopic, name)
	case kmsg.ConfigResourceTypeGroupConfig:
		return c.may(ctx, auth.ResourceGroup, name)
	}
	return c.mayCluster(ctx)
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
