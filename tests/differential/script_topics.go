package differential

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// createTopics makes topics that may be, and many that may not.
func (s *Session) createTopics() {
	s.topic("there.is", 2)
	for v := int16(0); v < 16; v++ { // each version makes its own
		name := "made." + strings.Repeat("v", int(v)+1)
		s.between("valid", v, v, func(int16) kmsg.Request { return createOf(newTopic(name, 3, 1, "retention.ms", "86400000")) })
		if r := s.served[kmsg.CreateTopics.Int16()]; v >= r.Min && v <= r.Max {
			s.ready(name, 3)
		}
	}
	for _, bad := range badNames() {
		s.every("invalid name, "+bad.what, func(int16) kmsg.Request { return createOf(newTopic(bad.name, 1, 1)) })
	}
	for _, one := range []struct {
		op    string
		topic kmsg.CreateTopicsRequestTopic
	}{
		{"exists", newTopic("there.is", 1, 1)},
		{"collides", newTopic("there_is", 1, 1)},
		{"no partitions", newTopic("not.made", 0, 1)},
		{"negative partitions", newTopic("not.made", -2, 1)},
		{"no replicas", newTopic("not.made", 1, 0)},
		{"negative replicas", newTopic("not.made", 1, -2)},
		{"more replicas than brokers", newTopic("not.made", 1, 2)},
		{"unknown config", newTopic("not.made", 1, 1, "no.such.config", "1")},
		{"two bad configs", newTopic("not.made", 1, 1, "no.such.config", "1", "retention.ms", "soon")},
		{"contradicting lags", newTopic("not.made", 1, 1, "min.compaction.lag.ms", "1000", "max.compaction.lag.ms", "10")},
		{"exists and invalid", newTopic("there.is", 0, 0)},
		{"config twice", newTopic("not.made", 1, 1, "retention.ms", "1000", "retention.ms", "2000")},
	} {
		s.every(one.op, func(int16) kmsg.Request { return createOf(one.topic) })
	}
	s.createConfigs()
	s.createMany()
	s.createAssigned()
}

func createOf(topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = topics, 10_000
	return req
}

// onlyValidated makes the request only say whether it could be done.
func onlyValidated(req *kmsg.CreateTopicsRequest) *kmsg.CreateTopicsRequest {
	req.ValidateOnly = true
	return req
}

// createConfigs tries values of configs: each is judged alone.
func (s *Session) createConfigs() {
	for _, c := range [][2]string{
		{"cleanup.policy", "compact"}, {"cleanup.policy", "compact,delete"}, {"cleanup.policy", "delete, compact"}, {"cleanup.policy", ""}, {"cleanup.policy", "shred"}, {"cleanup.policy", "delete,delete"},
		{"compression.type", "zstd"}, {"compression.type", "producer"}, {"compression.type", "none"}, {"compression.type", "uncompressed"}, {"compression.type", "brotli"}, {"compression.type", "GZIP"},
		{"compression.gzip.level", "0"}, {"compression.gzip.level", "9"}, {"compression.gzip.level", "10"}, {"compression.lz4.level", "17"}, {"compression.lz4.level", "18"}, {"compression.zstd.level", "23"}, {"compression.zstd.level", "-131072"},
		{"delete.retention.ms", "-1"}, {"delete.retention.ms", "0"}, {"file.delete.delay.ms", "-1"}, {"flush.messages", "0"}, {"flush.ms", "-1"}, {"flush.ms", "0"},
		{"index.interval.bytes", "-1"}, {"max.compaction.lag.ms", "0"}, {"max.message.bytes", "-1"}, {"max.message.bytes", "0"}, {"max.message.bytes", "3000000000"}, {"max.message.bytes", " 100 "}, {"max.message.bytes", "1e3"},
		{"message.timestamp.type", "LogAppendTime"}, {"message.timestamp.type", "logappendtime"}, {"message.timestamp.before.max.ms", "-1"}, {"message.timestamp.after.max.ms", "0"},
		{"min.cleanable.dirty.ratio", "0.5"}, {"min.cleanable.dirty.ratio", "1.1"}, {"min.cleanable.dirty.ratio", "x"}, {"min.compaction.lag.ms", "-1"}, {"min.insync.replicas", "0"}, {"min.insync.replicas", "2"},
		{"preallocate", "true"}, {"preallocate", "TRUE"}, {"preallocate", "yes"}, {"retention.bytes", "-1"}, {"retention.bytes", "-2"}, {"retention.ms", "-1"}, {"retention.ms", "-2"}, {"retention.ms", "9223372036854775807"}, {"retention.ms", "9223372036854775808"},
		{"segment.bytes", "13"}, {"segment.bytes", "1048576"}, {"segment.bytes", "1048575"}, {"segment.index.bytes", "3"}, {"segment.index.bytes", "4"}, {"segment.jitter.ms", "-1"}, {"segment.ms", "0"}, {"segment.ms", "1"},
		{"unclean.leader.election.enable", "true"}, {"unclean.leader.election.enable", "maybe"}, {"remote.storage.enable", "false"}, {"remote.storage.enable", "true"}, {"local.retention.ms", "-2"}, {"local.retention.ms", "-3"},
		{"leader.replication.throttled.replicas", "*"}, {"leader.replication.throttled.replicas", "0:1"}, {"leader.replication.throttled.replicas", "x"},
		{"message.format.version", "2.8"}, {"message.downconversion.enable", "true"}, {"message.timestamp.difference.max.ms", "1000"},
	} {
		s.newest("config "+c[0]+"="+c[1], func(int16) kmsg.Request {
			return onlyValidated(createOf(newTopic("only.validated", 1, 1, c[0], c[1])))
		})
	}
	s.newest("config without a value", func(int16) kmsg.Request {
		t := newTopic("only.validated", 1, 1)
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name = "retention.ms"
		t.Configs = append(t.Configs, c)
		return onlyValidated(createOf(t))
	})
	s.newest("config without a name", func(int16) kmsg.Request {
		return onlyValidated(createOf(newTopic("only.validated", 1, 1, "", "1")))
	})
}

// createMany names several topics in one request.
func (s *Session) createMany() {
	s.between("only validated", 1, 1<<14, func(int16) kmsg.Request {
		return onlyValidated(createOf(newTopic("only.validated", 4, 1, "cleanup.policy", "compact")))
	})
	s.between("only validated, exists", 1, 1<<14, func(int16) kmsg.Request { return onlyValidated(createOf(newTopic("there.is", 1, 1))) })
	s.every("none", func(int16) kmsg.Request { return createOf() })
	s.every("twice in one request", func(int16) kmsg.Request {
		return createOf(newTopic("twice", 1, 1), newTopic("twice", 2, 1))
	})
	s.between("defaults", 4, 1<<14, func(int16) kmsg.Request { return onlyValidated(createOf(newTopic("defaults", -1, -1))) })
	s.newest("good beside bad", func(int16) kmsg.Request {
		return createOf(newTopic("beside.bad", 1, 1), newTopic("beside/bad", 1, 1), newTopic("beside.worse", 0, 1))
	})
	s.ready("beside.bad", 1)
	s.newest("two that collide in one request", func(int16) kmsg.Request {
		return onlyValidated(createOf(newTopic("one.collision", 1, 1), newTopic("one_collision", 1, 1)))
	})
}

// createAssigned gives replicas explicitly.
func (s *Session) createAssigned() {
	node := s.symbols.node
	assigned := func(partitions, replicas int, with ...[]int32) kmsg.CreateTopicsRequestTopic {
		t := newTopic("assigned", int32(partitions), int16(replicas))
		for i, nodes := range with {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = int32(i), nodes
			t.ReplicaAssignment = append(t.ReplicaAssignment, a)
		}
		return t
	}
	gap := assigned(-1, -1, []int32{node}, []int32{node})
	gap.ReplicaAssignment[1].Partition = 2
	again := assigned(-1, -1, []int32{node}, []int32{node})
	again.ReplicaAssignment[1].Partition = 0
	for _, one := range []struct {
		op    string
		topic kmsg.CreateTopicsRequestTopic
	}{
		{"assigned", assigned(-1, -1, []int32{node}, []int32{node})},
		{"assigned and counted", assigned(2, 1, []int32{node}, []int32{node})},
		{"assigned to an unknown broker", assigned(-1, -1, []int32{77})},
		{"assigned to one broker twice", assigned(-1, -1, []int32{node, node})},
		{"assigned to nobody", assigned(-1, -1, []int32{})},
		{"assigned with a gap", gap},
		{"assigned twice", again},
	} {
		s.between(one.op, 1, 1<<14, func(int16) kmsg.Request { return onlyValidated(createOf(one.topic)) })
	}
}

// createPartitions grows topics.
func (s *Session) createPartitions() {
	s.topic("grows", 2)
	s.topic("grows.twice", 2)
	grow := func(name string, count int32, nodes ...int32) *kmsg.CreatePartitionsRequest {
		t := kmsg.NewCreatePartitionsRequestTopic()
		t.Topic, t.Count = name, count
		for _, n := range nodes {
			a := kmsg.NewCreatePartitionsRequestTopicAssignment()
			a.Replicas = []int32{n}
			t.Assignment = append(t.Assignment, a)
		}
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.Topics, req.TimeoutMillis = append(req.Topics, t), 10_000
		return req
	}
	s.every("fewer", func(int16) kmsg.Request { return grow("grows", 1) })
	s.every("as many", func(int16) kmsg.Request { return grow("grows", 2) })
	s.every("none", func(int16) kmsg.Request { return grow("grows", 0) })
	s.every("negative", func(int16) kmsg.Request { return grow("grows", -1) })
	s.every("unknown topic", func(int16) kmsg.Request { return grow("unknown", 3) })
	s.every("invalid name", func(int16) kmsg.Request { return grow("a/b", 3) })
	s.every("twice in one request", func(int16) kmsg.Request {
		req := grow("grows.twice", 9)
		req.Topics = append(req.Topics, req.Topics[0])
		return req
	})
	node := s.symbols.node
	validated := func(req *kmsg.CreatePartitionsRequest) kmsg.Request {
		req.ValidateOnly = true
		return req
	}
	s.newest("assignments too few", func(int16) kmsg.Request { return validated(grow("grows", 4, node)) })
	s.newest("assignments too many", func(int16) kmsg.Request { return validated(grow("grows", 3, node, node)) })
	s.newest("assignment to an unknown broker", func(int16) kmsg.Request { return validated(grow("grows", 3, 77)) })
	s.every("only validated", func(int16) kmsg.Request { return validated(grow("grows", 5)) })
	s.every("more", func(v int16) kmsg.Request {
		s.ready("grows", 2+int32(v))
		return grow("grows", 3+int32(v))
	})
	count := 3 + int32(s.served[kmsg.CreatePartitions.Int16()].Max)
	s.ready("grows", count)
	s.newest("assigned", func(int16) kmsg.Request { return grow("grows", count+1, node) })
	s.ready("grows", count+1)
}

// deleteTopics deletes by name and by id.
func (s *Session) deleteTopics() {
	remove := func(names ...string) func(v int16) kmsg.Request {
		return func(v int16) kmsg.Request {
			req := kmsg.NewPtrDeleteTopicsRequest()
			req.TimeoutMillis = 10_000
			for _, name := range names {
				req.TopicNames = append(req.TopicNames, name)
				req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &name})
			}
			if v >= 6 {
				req.TopicNames = nil
			} else {
				req.Topics = nil
			}
			return req
		}
	}
	s.every("existing", func(v int16) kmsg.Request {
		s.topic("goes", 2)
		return remove("goes")(v)
	})
	s.every("none", remove())
	s.every("unknown", remove("unknown"))
	s.every("invalid name", remove("a/b"))
	s.every("unknown twice", remove("unknown", "unknown"))
	s.newest("existing twice", func(v int16) kmsg.Request {
		s.topic("goes.twice", 1)
		return remove("goes.twice", "goes.twice")(v)
	})
	s.deleteByID()
}

func (s *Session) deleteByID() {
	byID := func(id [16]byte, name *string) func(int16) kmsg.Request {
		return func(int16) kmsg.Request {
			t := kmsg.NewDeleteTopicsRequestTopic()
			t.TopicID, t.Topic = id, name
			req := kmsg.NewPtrDeleteTopicsRequest()
			req.Topics, req.TimeoutMillis = append(req.Topics, t), 10_000
			return req
		}
	}
	name := "there.is"
	s.between("by unknown id", 6, 1<<14, byID(noSuchID, nil))
	s.between("by neither name nor id", 6, 1<<14, byID([16]byte{}, nil))
	s.between("by both", 6, 1<<14, byID(s.symbols.current[name], &name))
	s.topic("goes.by.id", 1)
	old := s.symbols.current["goes.by.id"]
	s.between("by id", 6, 6, byID(old, nil))
	s.absent("goes.by.id")
	s.between("by an id that was deleted", 6, 6, byID(old, nil))
	s.topic("goes.by.id", 1)
	s.between("by an id whose name has another topic now", 6, 6, byID(old, nil))
	s.newest("a name that was used before", func(int16) kmsg.Request {
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{metadataOf("goes.by.id")}
		return req
	})
}

// describePartitions pages through topics.
func (s *Session) describePartitions() {
	s.topic("pages.a", 3)
	s.topic("pages.b", 3)
	ask := func(op string, limit int32, cursor *kmsg.DescribeTopicPartitionsRequestCursor, names ...string) {
		s.every(op, func(int16) kmsg.Request {
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			req.ResponsePartitionLimit, req.Cursor = limit, cursor
			for _, n := range names {
				req.Topics = append(req.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: n})
			}
			return req
		})
	}
	at := func(topic string, partition int32) *kmsg.DescribeTopicPartitionsRequestCursor {
		return &kmsg.DescribeTopicPartitionsRequestCursor{Topic: topic, Partition: partition}
	}
	ask("by name", 2000, nil, "pages.b", "pages.a")
	ask("the same twice", 2000, nil, "pages.a", "pages.a")
	ask("all", 2000, nil)
	ask("unknown beside known", 2000, nil, "unknown", "pages.a", "pages.c")
	ask("invalid names", 2000, nil, "a/b", "")
	for limit := range int32(8) {
		ask("limit "+fmt.Sprint(limit), limit, nil, "pages.a", "pages.b")
	}
	ask("limit negative", -1, nil, "pages.a")
	ask("from a cursor", 2, at("pages.a", 2), "pages.a", "pages.b")
	ask("from a cursor of the next topic", 2, at("pages.b", 0), "pages.a", "pages.b")
	ask("from a cursor behind the last partition", 2, at("pages.a", 3), "pages.a", "pages.b")
	ask("from a negative cursor", 2, at("pages.a", -1), "pages.a", "pages.b")
	ask("from a cursor of a topic not asked for", 10, at("pages.aa", 0), "pages.a", "pages.b")
	ask("from a cursor behind all", 10, at("zzz", 0), "pages.a", "pages.b")
	ask("all, from a cursor", 4, at("pages.a", 1))
}
