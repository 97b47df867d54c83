package wire

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/record"
)

// deadConn is a connection that only has addresses.
type deadConn struct{ net.Conn }

func (*deadConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 5} }
func (*deadConn) SetWriteDeadline(time.Time) error { return nil }
func (*deadConn) Close() error                     { return nil }

func TestEveryAdvertisedVersion_AnswersAnEmptyRequest(t *testing.T) {
	b := newBench(t)
	versions := ask[*kmsg.ApiVersionsResponse](b.dial(t), &kmsg.ApiVersionsRequest{Version: 4})
	if len(versions.ApiKeys) != len(b.apis) || len(versions.ApiKeys) < 16 {
		t.Fatalf("%d keys listed, %d served", len(versions.ApiKeys), len(b.apis))
	}
	for _, k := range versions.ApiKeys {
		for v := k.MinVersion; v <= k.MaxVersion; v++ {
			req := kmsg.RequestForKey(k.ApiKey)
			req.SetVersion(v)
			if p, ok := req.(*kmsg.ProduceRequest); ok {
				p.Acks = -1
			}
			resp := b.dial(t).call(req)
			if resp.GetVersion() != v {
				t.Errorf("%s: answered in version %d, want %d", kmsg.NameForKey(k.ApiKey), resp.GetVersion(), v)
			}
		}
	}
}

func TestApiVersions_UnknownVersionIsAnsweredAsVersion0With35(t *testing.T) {
	c := newBench(t).dial(t)
	for _, version := range []byte{5, 99} {
		c.write(append(sizes(11), 0, 18, 0, version, 0, 0, 0, 7, 9, 9, 9))
		body, err := c.frame()
		if err != nil {
			t.Fatal(err)
		}
		resp := kmsg.NewPtrApiVersionsResponse()
		if err := resp.ReadFrom(body[4:]); err != nil || resp.ErrorCode != kerr.UnsupportedVersion.Code || len(resp.ApiKeys) == 0 || body[3] != 7 {
			t.Fatalf("%v %+v", err, resp)
		}
	}
}

func metadataOf(version int16, names ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.Topics = version, []kmsg.MetadataRequestTopic{}
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	return req
}

func TestMetadata_NullAndEmptyListsOfTopics(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	c := b.dial(t)
	for v := int16(0); v <= 13; v++ {
		all := &kmsg.MetadataRequest{Version: v}
		if n := len(ask[*kmsg.MetadataResponse](c, all).Topics); n != 1 {
			t.Errorf("version %d, null: %d topics", v, n)
		}
		want := 0
		if v == 0 {
			want = 1
		}
		if n := len(ask[*kmsg.MetadataResponse](c, metadataOf(v)).Topics); n != want {
			t.Errorf("version %d, empty: %d topics", v, n)
		}
	}
}

func TestMetadata_AutoCreatesOnlyWhenBothSidesSaySo(t *testing.T) {
	for _, one := range []struct {
		version        int16
		server, client bool
		want           int16
	}{
		{0, true, false, 0}, {3, true, false, 0}, {4, true, false, 3}, {4, true, true, 0}, {13, true, true, 0}, {13, false, true, 3}, {1, false, false, 3},
	} {
		b := newBench(t, func(s *Settings) { s.AutoCreate = one.server })
		req := metadataOf(one.version, "new")
		req.AllowAutoTopicCreation = one.client
		got := ask[*kmsg.MetadataResponse](b.dial(t), req).Topics[0]
		if got.ErrorCode != one.want || (one.want == 0) != (len(got.Partitions) == 1) {
			t.Errorf("%+v: %+v", one, got)
		}
		if b.topics.barriers == 0 {
			t.Errorf("%+v: unknown was said without a barrier", one)
		}
	}
}

func TestMetadata_BadNamesAndIDs(t *testing.T) {
	b := newBench(t)
	made := b.topic(t, "a", 1)
	c := b.dial(t)
	for _, name := range []string{"", ".", "..", "a b", strings.Repeat("x", 250)} {
		req := metadataOf(5, name)
		req.AllowAutoTopicCreation = true
		if got := ask[*kmsg.MetadataResponse](c, req).Topics[0]; got.ErrorCode != kerr.InvalidTopicException.Code {
			t.Errorf("%q: code %d", name, got.ErrorCode)
		}
	}
	for id, want := range map[record.TopicID]int16{made.ID: 0, {7}: kerr.UnknownTopicID.Code} {
		req := metadataOf(12, "")
		req.Topics[0].Topic, req.Topics[0].TopicID = nil, id
		if got := ask[*kmsg.MetadataResponse](c, req).Topics[0]; got.ErrorCode != want || want == 0 && *got.Topic != "a" {
			t.Errorf("%s: %+v", id, got)
		}
	}
	b.topics.failing = errors.New("no etcd")
	if got := ask[*kmsg.MetadataResponse](c, metadataOf(4, "b")).Topics[0]; got.ErrorCode != kerr.LeaderNotAvailable.Code {
		t.Errorf("nobody can say: code %d", got.ErrorCode)
	}
}

func TestMetadata_TopicIDIsStableAndNewAfterRecreation(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 1)
	c := b.dial(t)
	id := func() [16]byte { return ask[*kmsg.MetadataResponse](c, metadataOf(10, "a")).Topics[0].TopicID }
	first := id()
	if id() != first || first == [16]byte{} {
		t.Fatal("not stable")
	}
	if _, err := b.admin.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	b.topic(t, "a", 1)
	if id() == first {
		t.Fatal("reused")
	}
}

func TestMetadata_EveryNodeNamedIsListedAndEpochsAreConstant(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 50) // of replication factor 3
	resp := ask[*kmsg.MetadataResponse](b.dial(t), metadataOf(13, "a"))
	listed := map[int32]bool{}
	for _, n := range resp.Brokers {
		listed[n.NodeID] = n.Host == "internal" && n.Port == 9000+n.NodeID
	}
	leaders := map[int32]int{}
	for _, p := range resp.Topics[0].Partitions {
		if p.LeaderEpoch != 0 || len(p.Replicas) != 3 || !slices.Equal(p.Replicas, p.ISR) || p.Replicas[0] != p.Leader {
			t.Fatalf("%+v", p)
		}
		for _, n := range p.Replicas {
			if !listed[n] {
				t.Fatalf("node %d is not listed", n)
			}
		}
		leaders[p.Leader]++
	}
	if len(leaders) != 3 || resp.ControllerID != 1 || *resp.ClusterID != "cluster" {
		t.Fatalf("leaders %v, controller %d", leaders, resp.ControllerID)
	}
	b.cluster.live = b.cluster.live[:1]
	if p := ask[*kmsg.MetadataResponse](b.dial(t), metadataOf(13, "a")).Topics[0].Partitions[0]; len(p.Replicas) != 1 {
		t.Fatalf("one instance lives: %+v", p)
	}
}

func TestMetadata_EachListenerShowsItsOwnAddresses(t *testing.T) {
	b := newBench(t)
	resp := ask[*kmsg.MetadataResponse](b.dialOn(t, "outside"), metadataOf(13))
	if n := resp.Brokers[0]; n.Host != "example.test" || n.Port != 19001 {
		t.Fatalf("%+v", n)
	}
}

func TestMetadata_ZoneOfTheClientChoosesLeaders(t *testing.T) {
	b := newBench(t, func(s *Settings) {
		s.ZonesByAddress = []ZoneRule{{netip.MustParsePrefix("10.0.0.0/8"), "a"}}
	})
	b.topic(t, "a", 40)
	b.cluster.live = []instance.Info{node(1, "a"), node(2, "a"), node(3, "b"), node(4, "b")}
	for id, want := range map[string]string{"zone=a": "a", "x=1, ws_az=b": "b", "warpstream_az=b,zone=a": "b", "plain": "", "zone=none": ""} {
		c := b.dial(t)
		c.id = &id
		zones := map[string]bool{}
		for _, p := range ask[*kmsg.MetadataResponse](c, metadataOf(13, "a")).Topics[0].Partitions {
			zones[b.cluster.live[p.Leader-1].Zone] = true
		}
		if want != "" && (len(zones) != 1 || !zones[want]) || want == "" && len(zones) != 2 {
			t.Errorf("client %q: leaders in %v", id, zones)
		}
	}
	by := &caller{conn: newConn(b.Server, &deadConn{}, ""), client: "plain"}
	if z := b.zone(by); z != "a" {
		t.Errorf("zone %q by address", z)
	}
}

func createOf(version int16, topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	return &kmsg.CreateTopicsRequest{Version: version, TimeoutMillis: 5000, Topics: topics}
}

func newTopic(name string, partitions int32, replicas int16, configs ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replicas
	for i := 0; i < len(configs); i += 2 {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
	}
	return t
}

func TestCreateTopics_BadOnesDoNotHinderGoodOnes(t *testing.T) {
	b := newBench(t)
	c := b.dial(t)
	assigned := newTopic("assigned", -1, -1)
	for i := range int32(4) {
		assigned.ReplicaAssignment = append(assigned.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: i, Replicas: []int32{1, 2}})
	}
	resp := ask[*kmsg.CreateTopicsResponse](c, createOf(7,
		newTopic("good", -1, -1, "retention.ms", "5"), newTopic("twice", 1, 1), newTopic("twice", 1, 1), newTopic("zero", 0, 1), newTopic("rf", 1, 0),
		newTopic("config", 1, 1, "no.such.config", "1"), newTopic("bad/name", 1, 1), newTopic("many", 1, 9), assigned))
	want := map[string]int16{"good": 0, "twice": kerr.InvalidRequest.Code, "zero": kerr.InvalidPartitions.Code, "rf": kerr.InvalidReplicationFactor.Code,
		"config": kerr.InvalidConfig.Code, "bad/name": kerr.InvalidTopicException.Code, "many": 0, "assigned": 0}
	if len(resp.Topics) != len(want) {
		t.Fatalf("%d answers", len(resp.Topics))
	}
	for _, got := range resp.Topics {
		if got.ErrorCode != want[got.Topic] || (got.ErrorCode != 0) != (got.ErrorMessage != nil) || (got.ErrorCode == 0) != (got.TopicID != [16]byte{}) {
			t.Errorf("%s: %+v", got.Topic, got)
		}
	}
	good := resp.Topics[0]
	i := slices.IndexFunc(good.Configs, func(c kmsg.CreateTopicsResponseTopicConfig) bool { return c.Name == "retention.ms" })
	if good.NumPartitions != 1 || good.ReplicationFactor != 1 || i < 0 || *good.Configs[i].Value != "5" || good.Configs[i].Source != 1 {
		t.Errorf("echo: %+v", good)
	}
	if last := resp.Topics[len(resp.Topics)-1]; last.NumPartitions != 4 || last.ReplicationFactor != 2 {
		t.Errorf("assigned: %+v", last)
	}
	if again := ask[*kmsg.CreateTopicsResponse](c, createOf(2, newTopic("good", 1, 1))); again.Topics[0].ErrorCode != kerr.TopicAlreadyExists.Code {
		t.Errorf("again: %+v", again.Topics[0])
	}
}

func TestCreateTopics_StrictReplicationRefusesMoreThanLive(t *testing.T) {
	b := newBench(t, func(s *Settings) { s.StrictReplication = true })
	for rf, want := range map[int16]int16{3: 0, 4: kerr.InvalidReplicationFactor.Code} {
		req := createOf(7, newTopic("a", 1, rf))
		req.ValidateOnly = true
		if got := ask[*kmsg.CreateTopicsResponse](b.dial(t), req).Topics[0]; got.ErrorCode != want {
			t.Errorf("%d: %+v", rf, got)
		}
	}
	if _, ok := b.topics.TopicByName("a"); ok {
		t.Error("validate_only made a topic")
	}
}

func TestDeleteTopics_ByNameAndByIDAndTheNameIsFreeAtOnce(t *testing.T) {
	b := newBench(t)
	c := b.dial(t)
	for v := int16(0); v <= 6; v++ {
		made := b.topic(t, "a", 1)
		req := &kmsg.DeleteTopicsRequest{Version: v, TimeoutMillis: 5000, TopicNames: []string{"a"}}
		if v >= 6 {
			req.Topics = []kmsg.DeleteTopicsRequestTopic{{TopicID: made.ID}}
		}
		if got := ask[*kmsg.DeleteTopicsResponse](c, req).Topics[0]; got.ErrorCode != 0 || *got.Topic != "a" {
			t.Errorf("version %d: %+v", v, got)
		}
	}
	b.topic(t, "a", 1)
	name := "gone"
	req := &kmsg.DeleteTopicsRequest{Version: 6, Topics: []kmsg.DeleteTopicsRequestTopic{{Topic: &name}, {TopicID: [16]byte{9}}, {}, {Topic: &name, TopicID: [16]byte{9}}}}
	want := []int16{kerr.UnknownTopicOrPartition.Code, kerr.UnknownTopicID.Code, kerr.InvalidRequest.Code, kerr.InvalidRequest.Code}
	for i, got := range ask[*kmsg.DeleteTopicsResponse](c, req).Topics {
		if got.ErrorCode != want[i] {
			t.Errorf("%d: %+v", i, got)
		}
	}
}

func TestCreatePartitions_OnlyGrows(t *testing.T) {
	b := newBench(t)
	b.topic(t, "a", 3)
	c := b.dial(t)
	for _, one := range []struct {
		count, assigned int32
		want            int16
	}{{3, 0, kerr.InvalidPartitions.Code}, {2, 0, kerr.InvalidPartitions.Code}, {5, 1, kerr.InvalidReplicaAssignment.Code}, {5, 2, 0}, {6, 0, 0}} {
		top := kmsg.CreatePartitionsRequestTopic{Topic: "a", Count: one.count}
		for range one.assigned {
			top.Assignment = append(top.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: []int32{1}})
		}
		got := ask[*kmsg.CreatePartitionsResponse](c, &kmsg.CreatePartitionsRequest{Version: 3, Topics: []kmsg.CreatePartitionsRequestTopic{top}}).Topics[0]
		if got.ErrorCode != one.want {
			t.Errorf("%+v: %+v", one, got)
		}
	}
}

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
		{ResourceType: 4, ResourceName: "1"}, {ResourceType: 2, ResourceName: "none"},
	}}
	got := ask[*kmsg.AlterConfigsResponse](c, old).Resources
	if got[0].ErrorCode != 0 || len(configs()) != 1 || configs()["retention.bytes"] != "10" {
		t.Errorf("%+v: %v", got[0], configs())
	}
	if got[1].ErrorCode != kerr.InvalidRequest.Code || got[1].ErrorMessage == nil || got[2].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("%+v", got[1:])
	}
}

func TestDeleteRecords_AnswersTheLowWatermark(t *testing.T) {
	_, c, _ := filled(t)
	for _, one := range []struct {
		offset int64
		part   int32
		low    int64
		code   int16
	}{{1, 0, 1, 0}, {0, 0, 1, 0}, {-1, 0, 2, 0}, {3, 0, -1, kerr.OffsetOutOfRange.Code}, {-2, 0, -1, kerr.OffsetOutOfRange.Code}, {0, 9, -1, kerr.UnknownTopicOrPartition.Code}} {
		req := &kmsg.DeleteRecordsRequest{Version: 2, Topics: []kmsg.DeleteRecordsRequestTopic{{Topic: "a", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: one.part, Offset: one.offset}}}}}
		got := ask[*kmsg.DeleteRecordsResponse](c, req).Topics[0].Partitions[0]
		if got.LowWatermark != one.low || got.ErrorCode != one.code {
			t.Errorf("%+v: %+v", one, got)
		}
	}
}

func TestDescribeCluster_ListsBrokersAndKnowsNoControllers(t *testing.T) {
	c := newBench(t).dial(t)
	req := &kmsg.DescribeClusterRequest{Version: 2, EndpointType: 1}
	if got := ask[*kmsg.DescribeClusterResponse](c, req); got.ErrorCode != 0 || len(got.Brokers) != 3 || got.ControllerID != 1 || got.ClusterID != "cluster" {
		t.Errorf("%+v", got)
	}
	req.EndpointType = 2
	if got := ask[*kmsg.DescribeClusterResponse](c, req); got.ErrorCode != kerr.MismatchedEndpointType.Code {
		t.Errorf("%+v", got)
	}
}

func TestDescribeTopicPartitions_PagesThroughAllPartitionsOnce(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"a", "b", "c"} {
		b.topic(t, name, 5)
	}
	c := b.dial(t)
	req := &kmsg.DescribeTopicPartitionsRequest{ResponsePartitionLimit: 3}
	seen, pages := map[string]int{}, 0
	for {
		resp := ask[*kmsg.DescribeTopicPartitionsResponse](c, req)
		n := 0
		for _, one := range resp.Topics {
			for _, p := range one.Partitions {
				if int(p.Partition) != seen[*one.Topic] {
					t.Fatalf("%s: partition %d after %d", *one.Topic, p.Partition, seen[*one.Topic])
				}
				seen[*one.Topic]++
				n++
			}
		}
		pages++
		if n > 3 {
			t.Fatalf("%d partitions on a page of 3", n)
		}
		if resp.NextCursor == nil {
			break
		}
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
	}
	if pages != 5 || seen["a"] != 5 || seen["b"] != 5 || seen["c"] != 5 {
		t.Fatalf("%d pages, %v", pages, seen)
	}
	unknown := &kmsg.DescribeTopicPartitionsRequest{Topics: []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "none"}, {Topic: "a"}}}
	resp := ask[*kmsg.DescribeTopicPartitionsResponse](c, unknown)
	if len(resp.Topics) != 2 || resp.Topics[0].ErrorCode != 0 || resp.Topics[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Fatalf("%+v", resp.Topics)
	}
}
