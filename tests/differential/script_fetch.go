package differential

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

// fetchOf asks one partition, without a session and without waiting.
func (s *Session) fetchOf(topic string, partition int32, offset int64, bytesMax int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 0, 0, 1<<25, -1
	s.addFetch(req, topic, partition, offset, bytesMax)
	return req
}

func (s *Session) addFetch(req *kmsg.FetchRequest, topic string, partition int32, offset int64, bytesMax int32) {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, bytesMax
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, s.symbols.idOf(topic)
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
}

// fetch reads at all places where a consumer may be.
func (s *Session) fetch() {
	s.topic("read", 3)
	for i := range 4 {
		s.put("read", 0, s.batch(record.Settings{}, i*10, "a", "b", "c"))
	}
	at := func(op string, offset int64) {
		s.every(op, func(int16) kmsg.Request { return s.fetchOf("read", 0, offset, 1<<20) })
	}
	at("from the start", 0)
	at("in the middle of a batch", 4)
	at("at the last record", 11)
	at("at the end", 12)
	at("behind the end", 13)
	at("negative offset", -1)
	at("far behind the end", 1<<40)
	s.every("an empty partition", func(int16) kmsg.Request { return s.fetchOf("read", 1, 0, 1<<20) })
	s.every("unknown partition", func(int16) kmsg.Request { return s.fetchOf("read", 3, 0, 1<<20) })
	s.every("negative partition", func(int16) kmsg.Request { return s.fetchOf("read", -1, 0, 1<<20) })
	s.every("unknown topic", func(int16) kmsg.Request { return s.fetchOf("unknown", 0, 0, 1<<20) })
	s.between("invalid topic name", 0, 12, func(int16) kmsg.Request { return s.fetchOf("a/b", 0, 0, 1<<20) })
	s.every("read committed", func(int16) kmsg.Request {
		req := s.fetchOf("read", 0, 3, 1<<20)
		req.IsolationLevel = 1
		return req
	})
	s.every("several partitions and errors", func(int16) kmsg.Request {
		req := s.fetchOf("read", 0, 9, 1<<20)
		s.addFetch(req, "read", 1, 0, 1<<20)
		s.addFetch(req, "read", 2, 5, 1<<20)
		s.addFetch(req, "read", 7, 0, 1<<20)
		s.addFetch(req, "unknown", 0, 0, 1<<20)
		return req
	})
	s.every("nothing", func(int16) kmsg.Request {
		req := s.fetchOf("read", 0, 0, 1)
		req.Topics = nil
		return req
	})
	s.fetchEpochs()
	s.between("unknown topic id", 13, 1<<14, func(int16) kmsg.Request {
		req := s.fetchOf("read", 0, 0, 1<<20)
		req.Topics[0].TopicID = noSuchID
		return req
	})
	s.every("waits for what does not come", func(int16) kmsg.Request {
		req := s.fetchOf("read", 0, 12, 1<<20)
		req.MaxWaitMillis, req.MinBytes = 20, 1
		return req
	})
	s.every("does not wait where there is an error", func(int16) kmsg.Request {
		req := s.fetchOf("read", 0, 12, 1<<20)
		s.addFetch(req, "read", 1, 99, 1<<20)
		req.MaxWaitMillis, req.MinBytes = 60_000, 1
		return req
	})
	s.between("from another rack", 11, 1<<14, func(int16) kmsg.Request {
		req := s.fetchOf("read", 0, 9, 1<<20)
		req.Rack = "elsewhere"
		return req
	})
}

// fetchEpochs tells a leader epoch that is right, old or from the future.
func (s *Session) fetchEpochs() {
	for _, epoch := range []int32{-1, 0, 1, 99} {
		s.between(fmt.Sprintf("leader epoch %d", epoch), 9, 1<<14, func(int16) kmsg.Request {
			req := s.fetchOf("read", 0, 9, 1<<20)
			req.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch
			return req
		})
		s.between(fmt.Sprintf("last fetched epoch %d", epoch), 12, 1<<14, func(int16) kmsg.Request {
			req := s.fetchOf("read", 0, 9, 1<<20)
			req.Topics[0].Partitions[0].LastFetchedEpoch = epoch
			return req
		})
	}
}

// fetchLimits reads with room for less than there is.
func (s *Session) fetchLimits() {
	s.topic("limited", 2)
	one := s.batch(record.Settings{}, 0, strings.Repeat("x", 1000))
	for range 4 {
		s.put("limited", 0, one)
		s.put("limited", 1, one)
	}
	size := int32(len(one))
	for _, limit := range []int32{0, 1, size - 1, size, size + 1, 2*size - 1, 2 * size, 3*size + 5, 1 << 20} {
		s.newest(fmt.Sprintf("limit of the partition: %d", limit), func(int16) kmsg.Request { return s.fetchOf("limited", 0, 0, limit) })
		s.newest(fmt.Sprintf("limit of the answer: %d", limit), func(int16) kmsg.Request {
			req := s.fetchOf("limited", 0, 0, 1<<20)
			s.addFetch(req, "limited", 1, 0, 1<<20)
			req.MaxBytes = limit
			return req
		})
		s.newest(fmt.Sprintf("limit of both partitions: %d", limit), func(int16) kmsg.Request {
			req := s.fetchOf("limited", 0, 1, limit)
			s.addFetch(req, "limited", 1, 2, limit)
			return req
		})
	}
	s.every("room for one batch", func(int16) kmsg.Request {
		req := s.fetchOf("limited", 0, 0, 10)
		req.MaxBytes = 10
		return req
	})
	s.newest("negative limits", func(int16) kmsg.Request {
		req := s.fetchOf("limited", 0, 0, -1)
		req.MaxBytes = -1
		return req
	})
	s.between("zstd for clients that do not know it", 4, 9, func(int16) kmsg.Request {
		s.topic("zstd", 1)
		s.put("zstd", 0, s.batch(record.Settings{Codec: record.CodecZstd}, 0, "z"))
		return s.fetchOf("zstd", 0, 0, 1<<20)
	})
}

// sessions fetches incrementally (KIP-227).
func (s *Session) sessions() {
	s.topic("session", 3)
	s.put("session", 0, s.batch(record.Settings{}, 0, "a"))
	for _, v := range []int16{7, 12, 13, 1 << 13} {
		r := s.served[kmsg.Fetch.Int16()]
		v = min(v, r.Max)
		if v < 7 {
			return
		}
		s.sessionIn(v)
	}
}

func (s *Session) sessionIn(v int16) {
	next := int32(0)
	var id int32
	ask := func(op string, topics ...func(*kmsg.FetchRequest)) {
		req := s.fetchOf("session", 0, 0, 1)
		req.Topics = nil
		req.SessionID, req.SessionEpoch = id, next
		for _, t := range topics {
			t(req)
		}
		if resp, ok := s.do(op, v, req).(*kmsg.FetchResponse); ok && resp.ErrorCode == 0 {
			id = resp.SessionID
			next++
		}
	}
	want := func(partition int32, offset int64) func(*kmsg.FetchRequest) {
		return func(req *kmsg.FetchRequest) { s.addFetch(req, "session", partition, offset, 1<<20) }
	}
	forget := func(partition int32) func(*kmsg.FetchRequest) {
		return func(req *kmsg.FetchRequest) {
			f := kmsg.NewFetchRequestForgottenTopic()
			f.Topic, f.TopicID, f.Partitions = "session", s.symbols.current["session"], []int32{partition}
			req.ForgottenTopics = append(req.ForgottenTopics, f)
		}
	}
	ask("session: begins", want(0, 0), want(1, 0))
	if id == 0 {
		return
	}
	ask("session: nothing new, offset not moved")
	ask("session: offset moved to the end", want(0, s.end("session", 0)))
	ask("session: nothing at all")
	s.put("session", 1, s.batch(record.Settings{}, 0, "b"))
	ask("session: news in one partition")
	ask("session: another partition", want(1, s.end("session", 1)), want(2, 0))
	s.put("session", 2, s.batch(record.Settings{}, 0, "c"))
	ask("session: news in the other partition")
	ask("session: forgets a partition", forget(2))
	ask("session: forgets what it does not have", forget(77))
	ask("session: unknown partition", want(9, 0))
	ask("session: still unknown partition")
	s.sessionErrors(v, id, next)
}

// sessionErrors breaks a session.
func (s *Session) sessionErrors(v int16, id, next int32) {
	ask := func(op string, id, epoch int32) {
		req := s.fetchOf("session", 0, 0, 1<<20)
		req.SessionID, req.SessionEpoch = id, epoch
		s.do(op, v, req)
	}
	ask("session: epoch too large", id, next+5)
	ask("session: epoch too small", id, 1)
	ask("session: unknown id", id^0x5555, 3)
	ask("session: unknown id, full request", id^0x5555, 0)
	ask("session: id 0 with an epoch", 0, 4)
	ask("session: ends", id, -1)
	ask("session: after its end", id, next)
}

// end gives the offset behind the last record, which is not compared.
func (s *Session) end(topic string, partition int32) int64 {
	req := kmsg.NewPtrListOffsetsRequest()
	req.SetVersion(s.served[req.Key()].Max)
	req.ReplicaID = -1
	req.Topics = append(req.Topics, timeOf(topic, partition, -1))
	resp, err := s.ask(req)
	if err != nil {
		s.err = err
		return 0
	}
	return resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset
}
