package differential

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// cluster asks for the cluster alone.
func (s *Session) cluster() {
	s.every("plain", func(int16) kmsg.Request { return kmsg.NewPtrDescribeClusterRequest() })
	s.every("with authorized operations", func(int16) kmsg.Request {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.IncludeClusterAuthorizedOperations = true
		return req
	})
	for endpoint, op := range []string{2: "controllers", 3: "unknown endpoints"} {
		if op == "" {
			continue
		}
		s.between(op, 1, 1<<14, func(int16) kmsg.Request {
			req := kmsg.NewPtrDescribeClusterRequest()
			req.EndpointType = int8(endpoint)
			return req
		})
	}
	s.between("with fenced brokers", 2, 1<<14, func(int16) kmsg.Request {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.IncludeFencedBrokers = true
		return req
	})
}

// metadata asks for topics by name, by id, all and none.
func (s *Session) metadata() {
	s.topic("metadata.one", 1)
	s.topic("metadata.three", 3)
	ask := func(op string, first int16, topics func() []kmsg.MetadataRequestTopic, with ...func(*kmsg.MetadataRequest)) {
		s.between(op, first, 1<<14, func(int16) kmsg.Request {
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = topics()
			for _, w := range with {
				w(req)
			}
			return req
		})
	}
	named := func(names ...string) func() []kmsg.MetadataRequestTopic {
		return func() (out []kmsg.MetadataRequestTopic) {
			for _, n := range names {
				out = append(out, metadataOf(n))
			}
			return out
		}
	}
	ask("all topics", 0, func() []kmsg.MetadataRequestTopic { return nil })
	ask("no topics", 1, func() []kmsg.MetadataRequestTopic { return []kmsg.MetadataRequestTopic{} })
	ask("one by name", 0, named("metadata.one"))
	ask("some by name", 0, named("metadata.three", "metadata.one"))
	ask("the same twice", 0, named("metadata.one", "metadata.one"))
	ask("unknown, not to be made", 4, named("metadata.unknown", "metadata.one"))
	ask("authorized operations", 8, named("metadata.one"), func(r *kmsg.MetadataRequest) {
		r.IncludeClusterAuthorizedOperations, r.IncludeTopicAuthorizedOperations = true, true
	})
	allow := func(r *kmsg.MetadataRequest) { r.AllowAutoTopicCreation = true }
	for _, bad := range badNames() {
		ask("invalid name, "+bad.what, 0, named(bad.name), allow)
		ask("invalid name, not to be made, "+bad.what, 4, named(bad.name))
	}
	ask("collision with another", 4, named("metadata_one"), allow)
	s.metadataByID(ask)
	s.autoCreate()
}

// badName is a name that no topic may have.
type badName struct{ what, name string }

func badNames() []badName {
	return []badName{{"empty", ""}, {"dot", "."}, {"dots", ".."}, {"slash", "a/b"}, {"too long", strings.Repeat("x", 250)}, {"not ASCII", "é"}}
}

func (s *Session) metadataByID(ask func(string, int16, func() []kmsg.MetadataRequestTopic, ...func(*kmsg.MetadataRequest))) {
	byID := func(id [16]byte, name *string) func() []kmsg.MetadataRequestTopic {
		return func() []kmsg.MetadataRequestTopic {
			t := kmsg.NewMetadataRequestTopic()
			t.TopicID, t.Topic = id, name
			return []kmsg.MetadataRequestTopic{t}
		}
	}
	one := s.symbols.current["metadata.one"]
	name := "metadata.three"
	ask("by id", 12, byID(one, nil))
	ask("by unknown id", 12, byID(noSuchID, nil))
	ask("by neither name nor id", 12, byID([16]byte{}, nil))
	ask("by the id of one and the name of another", 12, byID(one, &name))
	ask("by id before there were ids", 10, byID(one, nil))
}

// autoCreate makes topics by asking for them. The first answer may say that they are not there yet, so
// only what follows is compared.
func (s *Session) autoCreate() {
	r := s.served[kmsg.Metadata.Int16()]
	for i, v := range []int16{0, 3, 4, 9, 13} {
		if v < r.Min || v > r.Max || v < 4 && s.Tame {
			continue
		}
		name := fmt.Sprintf("auto.%d", i)
		s.await("topic "+name+" makes itself", func() bool {
			req := kmsg.NewPtrMetadataRequest()
			req.SetVersion(v)
			req.AllowAutoTopicCreation = true
			req.Topics = []kmsg.MetadataRequestTopic{metadataOf(name)}
			resp, err := s.ask(req)
			return err == nil && resp.(*kmsg.MetadataResponse).Topics[0].ErrorCode == 0
		})
		s.ready(name, 1)
		s.newest("made by asking in some version", func(int16) kmsg.Request {
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = []kmsg.MetadataRequestTopic{metadataOf(name)}
			return req
		})
	}
}
