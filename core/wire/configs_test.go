package wire

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDescribeConfigs_SourceTypeSynonymsAndDocumentation(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1, "cleanup.policy", "compact")
	c := b.dial(t)
	req := &kmsg.DescribeConfigsRequest{Version: 4, IncludeSynonyms: true, IncludeDocumentation: true, Resources: []kmsg.DescribeConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "a", ConfigNames: []string{"cleanup.policy", "retention.ms"}},
	}}
	got := ask[*kmsg.DescribeConfigsResponse](c, req).Resources[0].Configs
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	policy, retention := got[0], got[1]
	if *policy.Value != "compact" || policy.Source != 1 || policy.ConfigType != 7 || policy.IsDefault || len(policy.ConfigSynonyms) != 2 ||
		policy.ConfigSynonyms[1].Name != "log.cleanup.policy" || policy.Documentation == nil {
		t.Errorf("%+v", policy)
	}
	if *retention.Value != "604800000" || retention.Source != 5 || retention.ConfigType != 5 || len(retention.ConfigSynonyms) != 1 {
		t.Errorf("%+v", retention)
	}
	req.IncludeSynonyms, req.IncludeDocumentation = false, false
	if one := ask[*kmsg.DescribeConfigsResponse](c, req).Resources[0].Configs[0]; one.ConfigSynonyms != nil || one.Documentation != nil {
		t.Errorf("not asked for: %+v", one)
	}
}

func TestDescribeConfigs_BrokerAnswersForItselfOnly(t *testing.T) {
	c := newBench(t).dial(t)
	for name, want := range map[string]int16{"1": 0, "2": kerr.InvalidRequest.Code, "x": kerr.InvalidRequest.Code, "": 0} {
		req := &kmsg.DescribeConfigsRequest{Version: 4, Resources: []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: name}}}
		got := ask[*kmsg.DescribeConfigsResponse](c, req).Resources[0]
		if got.ErrorCode != want || (name == "1") != (len(got.Configs) > 10) {
			t.Errorf("broker %q: code %d, %d configs", name, got.ErrorCode, len(got.Configs))
		}
	}
	other := &kmsg.DescribeConfigsRequest{Version: 4, Resources: []kmsg.DescribeConfigsRequestResource{{ResourceType: 16, ResourceName: "x"}, {ResourceType: 2, ResourceName: "none"}}}
	got := ask[*kmsg.DescribeConfigsResponse](c, other).Resources
	if got[0].ErrorCode != kerr.InvalidRequest.Code || got[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("%+v", got)
	}
}

func TestAlterConfigs_ReplaceAllAndOneByOne(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1, "retention.ms", "5", "cleanup.policy", "delete")
	c := b.dial(t)
	configs := func() map[string]string { found, _ := b.topics.TopicByName("a"); return found.Configs }
	compact, ten := "compact", "10"
	inc := func(configs ...kmsg.IncrementalAlterConfigsRequestResourceConfig) int16 {
		req := &kmsg.IncrementalAlterConfigsRequest{Version: 1, Resources: []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: 2, ResourceName: "a", Configs: configs}}}
		return ask[*kmsg.IncrementalAlterConfigsResponse](c, req).Resources[0].ErrorCode
	}
	type one = kmsg.IncrementalAlterConfigsRequestResourceConfig
	if code := inc(one{Name: "cleanup.policy", Op: 2, Value: &compact}, one{Name: "retention.ms", Op: 1}); code != 0 || configs()["cleanup.policy"] != "delete,compact" || configs()["retention.ms"] != "" {
		t.Errorf("code %d: %v", code, configs())
	}
	if code := inc(one{Name: "retention.ms", Op: 0, Value: &compact}); code != kerr.InvalidConfig.Code {
		t.Errorf("bad value: code %d", code)
	}
	if code := inc(one{Name: "retention.ms", Op: 1}, one{Name: "retention.ms", Op: 0, Value: &ten}); code != kerr.InvalidRequest.Code {
		t.Errorf("twice: code %d", code)
	}
	old := &kmsg.AlterConfigsRequest{Version: 1, Resources: []kmsg.AlterConfigsRequestResource{
		{ResourceType: 2, ResourceName: "a", Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "retention.bytes", Value: &ten}}},
		{ResourceType: 4, ResourceName: "1", Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "num.partitions", Value: &ten}}}, {ResourceType: 2, ResourceName: "none"},
	}}
	got := ask[*kmsg.AlterConfigsResponse](c, old).Resources
	if got[0].ErrorCode != 0 || len(configs()) != 1 || configs()["retention.bytes"] != "10" {
		t.Errorf("%+v: %v", got[0], configs())
	}
	if got[1].ErrorCode != kerr.InvalidRequest.Code || got[1].ErrorMessage == nil || got[2].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("%+v", got[1:])
	}
}
