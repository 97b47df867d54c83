package wire

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// describeOne asks for the configs of one resource.
func describeOne(c *client, kind kmsg.ConfigResourceType, name string) kmsg.DescribeConfigsResponseResource {
	c.t.Helper()
	req := &kmsg.DescribeConfigsRequest{Version: 4, IncludeSynonyms: true, IncludeDocumentation: true, Resources: []kmsg.DescribeConfigsRequestResource{{ResourceType: kind, ResourceName: name}}}
	return ask[*kmsg.DescribeConfigsResponse](c, req).Resources[0]
}

func TestDescribeConfigs_OfABrokerAreWhatItDoes(t *testing.T) {
	b := newBench(t, func(s *Settings) { s.AutoCreate, s.FrameBytesMax = false, 1<<20 })
	b.cluster.live[0].Zone = "north"
	got := describeOne(b.dial(t), kmsg.ConfigResourceTypeBroker, "1").Configs
	if !slices.IsSortedFunc(got, func(a, b kmsg.DescribeConfigsResponseResourceConfig) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted")
	}
	values := map[string]string{}
	for _, c := range got {
		if _, twice := values[c.Name]; twice || c.Value == nil {
			t.Fatalf("%s: twice, or without a value", c.Name)
		}
		values[c.Name] = *c.Value
		if !c.ReadOnly || c.Documentation == nil || *c.Documentation == "" || c.ConfigType == kmsg.ConfigTypeUnknown || len(c.ConfigSynonyms) != 1 || c.ConfigSynonyms[0].Source != c.Source {
			t.Errorf("%+v", c)
		}
	}
	for name, want := range map[string]string{
		"broker.id": "1", "node.id": "1", "broker.rack": "north", "advertised.listeners": "PLAINTEXT://internal:9001,outside://example.test:19001",
		"auto.create.topics.enable": "false", "socket.request.max.bytes": "1048576", "max.connections": "2147483647", "connections.max.idle.ms": "600000",
		"num.partitions": "1", "default.replication.factor": "1", "min.insync.replicas": "1", "message.max.bytes": "1048588", "log.retention.ms": "604800000", "log.retention.bytes": "-1",
		"group.max.size": "2147483647", "group.min.session.timeout.ms": "6000", "group.consumer.session.timeout.ms": "45000", "offsets.retention.minutes": "2880", "producer.id.expiration.ms": "3600000",
		"transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1", "offsets.topic.replication.factor": "1", "log.dirs": logDir,
	} {
		if values[name] != want {
			t.Errorf("%s is %q, want %q", name, values[name], want)
		}
	}
}

func TestDescribeConfigs_LoggersAndGroups(t *testing.T) {
	c := newBench(t).dial(t)
	logger := describeOne(c, kmsg.ConfigResourceTypeBrokerLogger, "1")
	if logger.ErrorCode != 0 || len(logger.Configs) != 1 || logger.Configs[0].Name != "root" || *logger.Configs[0].Value != "INFO" || logger.Configs[0].Source != 6 || !logger.Configs[0].ReadOnly {
		t.Errorf("%+v", logger)
	}
	group := describeOne(c, kmsg.ConfigResourceTypeGroupConfig, "g")
	var names []string
	for _, one := range group.Configs {
		names = append(names, one.Name+"="+*one.Value)
	}
	if want := []string{"consumer.session.timeout.ms=45000", "consumer.heartbeat.interval.ms=5000"}; group.ErrorCode != 0 || !slices.Equal(names, want) {
		t.Errorf("%d: %v", group.ErrorCode, names)
	}
	for kind, name := range map[kmsg.ConfigResourceType]string{8: "2", 32: "", 99: "x"} {
		if got := describeOne(c, kind, name); got.ErrorCode != kerr.InvalidRequest.Code || got.ErrorMessage == nil {
			t.Errorf("type %d: %+v", kind, got)
		}
	}
	if got := describeOne(c, kmsg.ConfigResourceTypeBrokerLogger, ""); got.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("logger of no broker: %+v", got)
	}
}

func TestIncrementalAlterConfigs_WhatIsFixedIsRefusedAndWhatWasNeverSetIsDeleted(t *testing.T) {
	c := newBench(t).dial(t)
	value := "5"
	for _, one := range []struct {
		kind kmsg.ConfigResourceType
		name string
		op   kmsg.IncrementalAlterConfigOp
		want int16
	}{
		{4, "1", 0, kerr.InvalidRequest.Code}, {4, "1", 1, 0}, {4, "1", 2, kerr.InvalidRequest.Code}, {4, "2", 1, kerr.InvalidRequest.Code},
		{4, "", 0, kerr.InvalidRequest.Code}, {4, "", 1, 0},
		{8, "1", 0, kerr.InvalidRequest.Code}, {8, "1", 1, kerr.InvalidRequest.Code},
		{32, "g", 0, kerr.InvalidRequest.Code}, {32, "g", 1, 0}, {16, "x", 0, kerr.InvalidRequest.Code}, {99, "x", 1, kerr.InvalidRequest.Code},
	} {
		req := &kmsg.IncrementalAlterConfigsRequest{Version: 1, Resources: []kmsg.IncrementalAlterConfigsRequestResource{
			{ResourceType: one.kind, ResourceName: one.name, Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "leader.replication.throttled.rate", Op: one.op, Value: &value}}},
		}}
		got := ask[*kmsg.IncrementalAlterConfigsResponse](c, req).Resources[0]
		if got.ErrorCode != one.want || (got.ErrorMessage == nil) != (one.want == 0) {
			t.Errorf("type %d %q, operation %d: %+v", one.kind, one.name, one.op, got)
		}
	}
}
