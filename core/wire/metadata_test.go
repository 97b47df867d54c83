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
		if err := resp.ReadFrom(body[4:]); err != nil || resp.ErrorCode != kerr.UnsupportedVersion.Code || len(resp.ApiKeys) != 1 || resp.ApiKeys[0].ApiKey != 18 || body[3] != 7 {
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
	b.cluster.set(b.cluster.live[0])
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
	b.cluster.set(node(1, "a"), node(2, "a"), node(3, "b"), node(4, "b"))
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
