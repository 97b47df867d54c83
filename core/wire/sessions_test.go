package wire

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/record"
)

// begin opens a session on partitions 0 to 2 of topic a.
func beginSession(t *testing.T, c *client, id record.TopicID, version int16) *kmsg.FetchResponse {
	t.Helper()
	req := fetchOf(version, "a", id, 0, 0, 1, 2)
	req.SessionEpoch = 0
	resp := ask[*kmsg.FetchResponse](c, req)
	if resp.ErrorCode != 0 || resp.SessionID == 0 || len(resp.Topics[0].Partitions) != 3 {
		t.Fatalf("%+v", resp)
	}
	return resp
}

func increment(id, epoch int32, version int16) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MinBytes, req.MaxBytes, req.SessionID, req.SessionEpoch = version, 1, 1<<20, id, epoch
	return req
}

func TestSession_AnswersOnlyWhatChanged(t *testing.T) {
	for _, v := range []int16{7, 12, 13, 18} {
		b, c, id := filled(t)
		session := beginSession(t, c, id, v).SessionID
		moved := increment(session, 1, v)
		moved.Topics = fetchOf(v, "a", id, 2, 0).Topics // partition 0 goes on at 2
		if resp := ask[*kmsg.FetchResponse](c, moved); len(resp.Topics) != 0 || resp.SessionID != session {
			t.Fatalf("version %d: nothing changed, but %+v", v, resp)
		}
		c.call(produceOf(9, 1, "a", id, map[int32][]byte{1: batchOf(1, 5)}))
		resp := ask[*kmsg.FetchResponse](c, increment(session, 2, v))
		if p := onlyPartition(t, resp); p.Partition != 1 || p.HighWatermark != 1 || len(p.RecordBatches) == 0 {
			t.Fatalf("version %d: %+v", v, p)
		}
		// It has been told of partition 1's records but reads on from 0: told again, and after the others.
		b.logs.DeleteRecords(t.Context(), record.TopicPartition{Topic: id, Partition: 2}, 0)
		b.logs.log(record.TopicPartition{Topic: id, Partition: 2}).next = 5
		resp = ask[*kmsg.FetchResponse](c, increment(session, 3, v))
		if ps := resp.Topics[0].Partitions; len(ps) != 2 || ps[0].Partition != 2 || ps[1].Partition != 1 {
			t.Fatalf("version %d: the partition that was served last is not behind the others: %+v", v, ps)
		}
	}
}

func TestSession_ForgetsAndAddsPartitions(t *testing.T) {
	b, c, id := filled(t)
	session := beginSession(t, c, id, 12).SessionID
	req := increment(session, 1, 12)
	gone := kmsg.NewFetchRequestForgottenTopic()
	gone.Topic, gone.Partitions = "a", []int32{0, 2, 55}
	req.ForgottenTopics = append(req.ForgottenTopics, gone)
	c.call(req)
	if read := b.logs.reads[len(b.logs.reads)-1]; len(read.Partitions) != 1 || read.Partitions[0].Partition != 1 {
		t.Fatalf("read %+v", read.Partitions)
	}
	back := increment(session, 2, 12)
	back.Topics = fetchOf(12, "a", id, 2, 0).Topics
	if p := onlyPartition(t, ask[*kmsg.FetchResponse](c, back)); p.Partition != 0 {
		t.Fatalf("a partition that is added again is news: %+v", p)
	}
}

func TestSession_ErrorsAreToldEveryTimeAndRecoveryOnce(t *testing.T) {
	_, c, id := filled(t)
	session := beginSession(t, c, id, 12).SessionID
	req := increment(session, 1, 12)
	req.Topics = fetchOf(12, "a", id, 99, 0).Topics
	for epoch := int32(1); epoch <= 2; epoch++ {
		req.SessionEpoch = epoch
		if p := onlyPartition(t, ask[*kmsg.FetchResponse](c, req)); p.ErrorCode != kerr.OffsetOutOfRange.Code {
			t.Fatalf("%+v", p)
		}
		req.Topics = nil
	}
	well := increment(session, 3, 12)
	well.Topics = fetchOf(12, "a", id, 2, 0).Topics
	if p := onlyPartition(t, ask[*kmsg.FetchResponse](c, well)); p.ErrorCode != 0 {
		t.Fatalf("%+v", p)
	}
}

func TestSession_TopicMadeAnewHasAnUnknownID(t *testing.T) {
	b, c, id := filled(t)
	session := beginSession(t, c, id, 13).SessionID
	if _, err := b.admin.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	b.topic(t, "a", 3)
	resp := ask[*kmsg.FetchResponse](c, increment(session, 1, 13))
	for _, p := range resp.Topics[0].Partitions {
		if p.ErrorCode != kerr.UnknownTopicID.Code {
			t.Fatalf("%+v", p)
		}
	}
}

func TestSession_WrongOnesAreRefused(t *testing.T) {
	_, c, id := filled(t)
	session := beginSession(t, c, id, 12).SessionID
	for _, one := range []struct {
		name string
		req  *kmsg.FetchRequest
		want *kerr.Error
	}{
		{"unknown id", increment(session+1, 1, 12), kerr.FetchSessionIDNotFound},
		{"wrong epoch", increment(session, 2, 12), kerr.InvalidFetchSessionEpoch},
		{"ids in a session of names", increment(session, 1, 13), kerr.FetchSessionTopicIDError},
	} {
		if resp := ask[*kmsg.FetchResponse](c, one.req); resp.ErrorCode != one.want.Code || len(resp.Topics) != 0 {
			t.Errorf("%s: %+v", one.name, resp)
		}
	}
	end := fetchOf(12, "a", id, 0, 0)
	end.SessionID = session
	if resp := ask[*kmsg.FetchResponse](c, end); resp.SessionID != 0 {
		t.Error("a request without a session got one")
	}
	if resp := ask[*kmsg.FetchResponse](c, increment(session, 1, 12)); resp.ErrorCode != kerr.FetchSessionIDNotFound.Code {
		t.Error("the session was not closed")
	}
}

func TestSessions_AreBoundedAndEvictOnlyTheIdle(t *testing.T) {
	now := time.Unix(0, 0)
	s := newSessions(2, func() time.Time { return now })
	open := func() *session {
		n := s.open([]fetchWant{{fetchKey: fetchKey{name: "a"}}}, false)
		s.done(fetchPlan{session: n})
		return n
	}
	first, second := open(), open()
	if open() != nil {
		t.Fatal("evicted a session in use")
	}
	now = now.Add(evictAfter)
	if _, code := s.spend(first.id, 1, false); code != 0 {
		t.Fatal(code)
	}
	if open() == nil || s.mu.byID[second.id] != nil || s.mu.byID[first.id] == nil || len(s.mu.byID) != 2 {
		t.Fatal("want the one that was used longest ago evicted")
	}
	if _, code := s.spend(first.id, 2, false); code != kerr.InvalidFetchSessionEpoch.Code {
		t.Fatal("a second request of a busy session got in")
	}
	if nextEpoch(1<<31-1) != 1 {
		t.Fatal("epochs wrap to 1")
	}
}
