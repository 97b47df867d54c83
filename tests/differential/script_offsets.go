package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

func listOf(topics ...kmsg.ListOffsetsRequestTopic) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.Topics = -1, topics
	return req
}

// listOffsets asks for all specials, and for times before, between, at and behind records.
func (s *Session) listOffsets() {
	s.topic("times", 3)
	s.put("times", 0, s.batch(record.Settings{}, 10, "10", "11", "12"))
	s.put("times", 0, s.batch(record.Settings{Codec: record.CodecGzip}, 30, "30", "31", "32"))
	s.put("times", 0, s.batch(record.Settings{}, 20, "20", "21", "22")) // older than what is before it
	s.put("times", 2, s.batch(record.Settings{}, 10, "10", "11"))
	s.put("times", 2, s.batch(record.Settings{}, 10, "10", "11"))
	for _, partition := range []int32{0, 1, 2} {
		for when := int64(-7); when < 0; when++ {
			s.every(fmt.Sprintf("special %d of partition %d", when, partition), func(int16) kmsg.Request { return listOf(timeOf("times", partition, when)) })
		}
		for _, second := range []int{0, 10, 11, 12, 15, 20, 22, 25, 30, 31, 32, 33} {
			s.newest(fmt.Sprintf("time %d of partition %d", second, partition), func(int16) kmsg.Request { return listOf(timeOf("times", partition, s.ms(second))) })
		}
	}
	s.every("time 31", func(int16) kmsg.Request { return listOf(timeOf("times", 0, s.ms(31))) })
	s.every("time 0", func(int16) kmsg.Request { return listOf(timeOf("times", 0, 0)) })
	s.every("time behind all", func(int16) kmsg.Request { return listOf(timeOf("times", 0, s.ms(3000))) })
	s.between("read committed", 2, 1<<14, func(int16) kmsg.Request {
		req := listOf(timeOf("times", 0, -1), timeOf("times", 1, s.ms(11)))
		req.IsolationLevel = 1
		return req
	})
	s.every("unknown topic", func(int16) kmsg.Request { return listOf(timeOf("unknown", 0, -1)) })
	s.every("unknown partition", func(int16) kmsg.Request { return listOf(timeOf("times", 3, -1)) })
	s.every("negative partition", func(int16) kmsg.Request { return listOf(timeOf("times", -1, -1)) })
	s.every("invalid topic name", func(int16) kmsg.Request { return listOf(timeOf("a/b", 0, -1)) })
	s.every("none", func(int16) kmsg.Request { return listOf() })
	s.every("the same twice", func(int16) kmsg.Request {
		req := listOf(timeOf("times", 0, -1))
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, timeOf("times", 0, -2).Partitions...)
		return req
	})
	s.every("from a replica", func(int16) kmsg.Request {
		req := listOf(timeOf("times", 0, -1))
		req.ReplicaID = 5
		return req
	})
	for _, epoch := range []int32{-1, 0, 1} {
		s.between(fmt.Sprintf("leader epoch %d", epoch), 4, 1<<14, func(int16) kmsg.Request {
			req := listOf(timeOf("times", 0, -1))
			req.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch
			return req
		})
	}
}

func epochOf(topic string, partition, current, epoch int32) *kmsg.OffsetForLeaderEpochRequest {
	p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = partition, current, epoch
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID, req.Topics = -1, append(req.Topics, t)
	return req
}

// epochs asks where leader epochs end.
func (s *Session) epochs() {
	s.topic("epochs", 2)
	s.put("epochs", 0, s.batch(record.Settings{}, 0, "a", "b"))
	for _, epoch := range []int32{-1, 0, 1, 9} {
		s.every(fmt.Sprintf("epoch %d", epoch), func(int16) kmsg.Request { return epochOf("epochs", 0, -1, epoch) })
		s.every(fmt.Sprintf("epoch %d of an empty partition", epoch), func(int16) kmsg.Request { return epochOf("epochs", 1, -1, epoch) })
		s.between(fmt.Sprintf("believing in epoch %d", epoch), 2, 1<<14, func(int16) kmsg.Request { return epochOf("epochs", 0, epoch, 0) })
	}
	s.every("unknown topic", func(int16) kmsg.Request { return epochOf("unknown", 0, -1, 0) })
	s.every("unknown partition", func(int16) kmsg.Request { return epochOf("epochs", 2, -1, 0) })
	s.every("negative partition", func(int16) kmsg.Request { return epochOf("epochs", -1, -1, 0) })
	s.every("none", func(int16) kmsg.Request { return kmsg.NewPtrOffsetForLeaderEpochRequest() })
}

// deleteRecords moves the start of a log, and reads around it.
func (s *Session) deleteRecords() {
	s.topic("cut", 2)
	for range 3 {
		s.put("cut", 0, s.batch(record.Settings{}, 0, "a", "b", "c"))
	}
	remove := func(op, topic string, partition int32, before int64) {
		s.every(op, func(int16) kmsg.Request {
			p := kmsg.NewDeleteRecordsRequestTopicPartition()
			p.Partition, p.Offset = partition, before
			t := kmsg.NewDeleteRecordsRequestTopic()
			t.Topic, t.Partitions = topic, append(t.Partitions, p)
			req := kmsg.NewPtrDeleteRecordsRequest()
			req.Topics, req.TimeoutMillis = append(req.Topics, t), 10_000
			return req
		})
	}
	around := func(op string) {
		for _, offset := range []int64{0, 3, 4, 5, 9} {
			s.newest(fmt.Sprintf("%s, fetch at %d", op, offset), func(int16) kmsg.Request { return s.fetchOf("cut", 0, offset, 1<<20) })
		}
		for _, when := range []int64{-1, -2, -3, -4, s.ms(0)} {
			name := fmt.Sprint(when)
			if when > 0 {
				name = "the first time"
			}
			s.newest(op+", list "+name, func(int16) kmsg.Request { return listOf(timeOf("cut", 0, when)) })
		}
		s.newest(op+", epoch", func(int16) kmsg.Request { return epochOf("cut", 0, -1, 0) })
		s.newest(op+", produce", func(int16) kmsg.Request {
			return s.produceOf("cut", 1, s.batch(record.Settings{}, 0, "x"))
		})
	}
	remove("to the start", "cut", 0, 0)
	remove("into a batch", "cut", 0, 4)
	around("cut within a batch")
	remove("backwards", "cut", 0, 2)
	remove("behind the end", "cut", 0, 10)
	remove("negative offset", "cut", 0, -2)
	remove("to the high watermark", "cut", 0, -1)
	around("cut to the end")
	s.newest("after all was cut, produce", func(int16) kmsg.Request { return s.produceOf("cut", 0, s.batch(record.Settings{}, 0, "x")) })
	remove("unknown topic", "unknown", 0, 1)
	remove("unknown partition", "cut", 2, 1)
	remove("negative partition", "cut", -1, 1)
	remove("invalid topic name", "a/b", 0, 1)
	s.topic("cut.compacted", 1, "cleanup.policy", "compact")
	s.put("cut.compacted", 0, s.batch(record.Settings{}, 0, "a", "b"))
	remove("a compacted topic", "cut.compacted", 0, 1)
	s.every("none", func(int16) kmsg.Request { return kmsg.NewPtrDeleteRecordsRequest() })
}
