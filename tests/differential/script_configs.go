package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func describeOf(kind kmsg.ConfigResourceType, name string, configs ...string) *kmsg.DescribeConfigsRequest {
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kind, name, configs
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Resources = append(req.Resources, r)
	return req
}

// describeConfigs looks at topics and at the broker.
func (s *Session) describeConfigs() {
	const topicKind, brokerKind = kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker
	s.topic("configured", 1, "retention.ms", "1234567", "cleanup.policy", "compact,delete", "min.cleanable.dirty.ratio", "0.25")
	s.every("all of a topic", func(int16) kmsg.Request { return describeOf(topicKind, "configured") })
	s.between("all of a topic, with synonyms", 1, 1<<14, func(int16) kmsg.Request {
		req := describeOf(topicKind, "configured")
		req.IncludeSynonyms = true
		return req
	})
	s.between("all of a topic, with documentation", 3, 1<<14, func(int16) kmsg.Request {
		req := describeOf(topicKind, "configured")
		req.IncludeDocumentation = true
		return req
	})
	s.every("some of a topic", func(int16) kmsg.Request { return describeOf(topicKind, "configured", "retention.ms", "segment.bytes") })
	s.every("an unknown one of a topic", func(int16) kmsg.Request { return describeOf(topicKind, "configured", "no.such") })
	s.every("an empty list of names", func(int16) kmsg.Request {
		req := describeOf(topicKind, "configured")
		req.Resources[0].ConfigNames = []string{}
		return req
	})
	s.every("unknown topic", func(int16) kmsg.Request { return describeOf(topicKind, "unknown") })
	s.every("invalid topic name", func(int16) kmsg.Request { return describeOf(topicKind, "a/b") })
	s.every("empty topic name", func(int16) kmsg.Request { return describeOf(topicKind, "") })
	s.every("nothing", func(int16) kmsg.Request { return kmsg.NewPtrDescribeConfigsRequest() })
	s.every("the same topic twice", func(int16) kmsg.Request {
		req := describeOf(topicKind, "configured", "retention.ms")
		req.Resources = append(req.Resources, req.Resources[0])
		return req
	})
	self := fmt.Sprint(s.symbols.node)
	s.every("of the broker", func(int16) kmsg.Request {
		return describeOf(brokerKind, self, "auto.create.topics.enable", "num.partitions", "message.max.bytes", "log.retention.ms", "broker.id", "default.replication.factor", "delete.topic.enable")
	})
	s.between("of the broker, with synonyms", 1, 1<<14, func(int16) kmsg.Request {
		req := describeOf(brokerKind, self, "auto.create.topics.enable", "message.max.bytes", "num.partitions")
		req.IncludeSynonyms = true
		return req
	})
	s.every("of all brokers", func(int16) kmsg.Request { return describeOf(brokerKind, "") })
	s.every("of another broker", func(int16) kmsg.Request { return describeOf(brokerKind, "77") })
	s.every("of a broker that is no number", func(int16) kmsg.Request { return describeOf(brokerKind, "one") })
	s.every("of an unknown kind", func(int16) kmsg.Request { return describeOf(99, "x") })
	s.every("of a broker's loggers", func(int16) kmsg.Request { return describeOf(kmsg.ConfigResourceTypeBrokerLogger, "77") })
}

// configsAre waits until a topic shows a value; "" stands for the default.
func (s *Session) configsAre(topic, name, want string) {
	if s.Tame { // changes at once, and not always to this
		return
	}
	s.await("config "+name+" is "+want, func() bool {
		req := describeOf(kmsg.ConfigResourceTypeTopic, topic, name)
		req.SetVersion(min(1, s.served[req.Key()].Max))
		resp, err := s.ask(req)
		if err != nil {
			return false
		}
		for _, c := range resp.(*kmsg.DescribeConfigsResponse).Resources[0].Configs {
			isSet := c.Source == kmsg.ConfigSourceDynamicTopicConfig
			if want == "" && isSet || want != "" && (!isSet || c.Value == nil || *c.Value != want) {
				return false
			}
		}
		return true
	})
}

func alterOf(kind kmsg.ConfigResourceType, name string, configs ...string) *kmsg.AlterConfigsRequest {
	r := kmsg.NewAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kind, name
	for i := 0; i+1 < len(configs); i += 2 {
		r.Configs = append(r.Configs, kmsg.AlterConfigsRequestResourceConfig{Name: configs[i], Value: &configs[i+1]})
	}
	req := kmsg.NewPtrAlterConfigsRequest()
	req.Resources = append(req.Resources, r)
	return req
}

// alterConfigs replaces all configs of a topic.
func (s *Session) alterConfigs() {
	const topicKind = kmsg.ConfigResourceTypeTopic
	s.topic("altered", 1, "retention.bytes", "1000000")
	s.every("replaces all", func(int16) kmsg.Request { return alterOf(topicKind, "altered", "retention.ms", "7654321") })
	s.configsAre("altered", "retention.ms", "7654321")
	s.newest("after it was replaced", func(int16) kmsg.Request { return describeOf(topicKind, "altered", "retention.ms", "retention.bytes") })
	s.every("only validated", func(int16) kmsg.Request {
		req := alterOf(topicKind, "altered", "retention.ms", "1")
		req.ValidateOnly = true
		return req
	})
	s.every("bad value", func(int16) kmsg.Request { return alterOf(topicKind, "altered", "retention.ms", "soon") })
	s.every("unknown config", func(int16) kmsg.Request { return alterOf(topicKind, "altered", "no.such", "1") })
	s.every("unknown topic", func(int16) kmsg.Request { return alterOf(topicKind, "unknown", "retention.ms", "1000") })
	s.every("invalid topic name", func(int16) kmsg.Request { return alterOf(topicKind, "a/b", "retention.ms", "1000") })
	s.every("config twice", func(int16) kmsg.Request {
		return alterOf(topicKind, "altered", "retention.ms", "1000", "retention.ms", "2000")
	})
	s.every("without a value", func(int16) kmsg.Request {
		req := alterOf(topicKind, "altered", "retention.ms", "")
		req.Resources[0].Configs[0].Value = nil
		return req
	})
	s.every("unknown kind", func(int16) kmsg.Request { return alterOf(99, "x", "retention.ms", "1000") })
	s.every("nothing", func(int16) kmsg.Request { return kmsg.NewPtrAlterConfigsRequest() })
	s.newest("to none", func(int16) kmsg.Request { return alterOf(topicKind, "altered") })
	s.configsAre("altered", "retention.ms", "")
}

// incrementalOf changes configs: name, operation ("=", "-": delete, "+": append, "/": subtract), value.
func incrementalOf(kind kmsg.ConfigResourceType, name string, changes ...[3]string) *kmsg.IncrementalAlterConfigsRequest {
	ops := map[string]kmsg.IncrementalAlterConfigOp{"=": 0, "-": 1, "+": 2, "/": 3, "?": 9}
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kind, name
	for i := range changes {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Op, c.Value = changes[i][0], ops[changes[i][1]], &changes[i][2]
		if changes[i][1] == "-" || changes[i][2] == null {
			c.Value = nil
		}
		r.Configs = append(r.Configs, c)
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, r)
	return req
}

// incrementalAlterConfigs changes single configs of a topic.
func (s *Session) incrementalAlterConfigs() {
	const topicKind = kmsg.ConfigResourceTypeTopic
	s.topic("incremental", 1, "retention.bytes", "1000000")
	change := func(op string, changes ...[3]string) {
		s.every(op, func(int16) kmsg.Request { return incrementalOf(topicKind, "incremental", changes...) })
	}
	show := func(op string) {
		s.newest(op, func(int16) kmsg.Request {
			return describeOf(topicKind, "incremental", "retention.ms", "retention.bytes", "cleanup.policy", "max.message.bytes")
		})
	}
	change("set", [3]string{"retention.ms", "=", "1111"}, [3]string{"max.message.bytes", "=", "2222"})
	s.configsAre("incremental", "retention.ms", "1111")
	show("after set")
	change("delete", [3]string{"retention.ms", "-", ""}, [3]string{"retention.bytes", "-", ""})
	s.configsAre("incremental", "retention.ms", "")
	show("after delete")
	change("append", [3]string{"cleanup.policy", "+", "compact"})
	s.configsAre("incremental", "cleanup.policy", "delete,compact")
	show("after append")
	change("subtract", [3]string{"cleanup.policy", "/", "delete"})
	s.configsAre("incremental", "cleanup.policy", "compact")
	show("after subtract")
	change("delete what is not set", [3]string{"segment.ms", "-", ""})
	change("append to no list", [3]string{"retention.ms", "+", "1"})
	change("subtract from no list", [3]string{"retention.ms", "/", "1"})
	change("append a bad item", [3]string{"cleanup.policy", "+", "shred"})
	change("append nothing", [3]string{"cleanup.policy", "+", null})
	change("subtract what is not there", [3]string{"cleanup.policy", "/", "shred"})
	change("set to null", [3]string{"retention.ms", "=", null})
	change("set to a bad value", [3]string{"retention.ms", "=", "soon"})
	change("unknown operation", [3]string{"retention.ms", "?", "1"})
	change("unknown config", [3]string{"no.such", "=", "1"})
	change("delete an unknown config", [3]string{"no.such", "-", ""})
	change("config twice", [3]string{"retention.ms", "=", "1"}, [3]string{"retention.ms", "=", "2"})
	change("nothing")
	s.every("unknown topic", func(int16) kmsg.Request {
		return incrementalOf(topicKind, "unknown", [3]string{"retention.ms", "=", "1"})
	})
	s.every("invalid topic name", func(int16) kmsg.Request {
		return incrementalOf(topicKind, "a/b", [3]string{"retention.ms", "=", "1"})
	})
	s.every("unknown kind", func(int16) kmsg.Request { return incrementalOf(99, "x", [3]string{"retention.ms", "=", "1"}) })
	s.every("another broker", func(int16) kmsg.Request {
		return incrementalOf(kmsg.ConfigResourceTypeBroker, "77", [3]string{"log.cleaner.threads", "=", "2"})
	})
	s.every("only validated", func(int16) kmsg.Request {
		req := incrementalOf(topicKind, "incremental", [3]string{"retention.ms", "=", "999"})
		req.ValidateOnly = true
		return req
	})
	show("after all")
}
