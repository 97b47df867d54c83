package wire

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// begun gives a producer of a transactional id.
func begun(t *testing.T, c *client, id string) (producer int64, epoch int16) {
	t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 5, &id, 1000
	got := ask[*kmsg.InitProducerIDResponse](c, req)
	if got.ErrorCode != 0 {
		t.Fatalf("%+v", got)
	}
	return got.ProducerID, got.ProducerEpoch
}

func addPartition(c *client, version int16, id string, producer int64, epoch int16, topic string, partitions ...int32) []kmsg.AddPartitionsToTxnResponseTopicPartition {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch = version, id, producer, epoch
	t := kmsg.NewAddPartitionsToTxnRequestTopic()
	t.Topic, t.Partitions = topic, partitions
	req.Topics = append(req.Topics, t)
	return ask[*kmsg.AddPartitionsToTxnResponse](c, req).Topics[0].Partitions
}

func end(c *client, version int16, id string, producer int64, epoch int16, commit bool) *kmsg.EndTxnResponse {
	req := kmsg.NewPtrEndTxnRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = version, id, producer, epoch, commit
	return ask[*kmsg.EndTxnResponse](c, req)
}

func TestTransactions_FencedIsSaidInTheWordsOfTheVersion(t *testing.T) {
	b, c := alone(t)
	b.topic(t, "a", 1)
	producer, old := begun(t, c, "x")
	begun(t, c, "x")
	words := func(version, since int16) int16 {
		if version >= since {
			return kerr.ProducerFenced.Code
		}
		return kerr.InvalidProducerEpoch.Code
	}
	for v := int16(0); v <= 3; v++ {
		if got := addPartition(c, v, "x", producer, old, "a", 0)[0].ErrorCode; got != words(v, 2) {
			t.Errorf("AddPartitionsToTxn %d: %d", v, got)
		}
	}
	for v := int16(0); v <= 4; v++ {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = v, "x", producer, old, "g"
		if got := ask[*kmsg.AddOffsetsToTxnResponse](c, req).ErrorCode; got != words(v, 2) {
			t.Errorf("AddOffsetsToTxn %d: %d", v, got)
		}
	}
	for v := int16(0); v <= 5; v++ {
		if got := end(c, v, "x", producer, old, true).ErrorCode; got != words(v, 2) {
			t.Errorf("EndTxn %d: %d", v, got)
		}
	}
	for v := int16(3); v <= 5; v++ {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version, req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = v, kmsg.StringPtr("x"), 1000, producer+7, old
		if got := ask[*kmsg.InitProducerIDResponse](c, req).ErrorCode; got != words(v, 4) {
			t.Errorf("InitProducerId %d: %d", v, got)
		}
	}
	for v := int16(0); v <= 6; v++ {
		if got := pendingCommit(c, b, v, "x", producer, old, "g"); got != kerr.InvalidProducerEpoch.Code {
			t.Errorf("TxnOffsetCommit %d: %d", v, got)
		}
	}
	if got := end(c, 5, "x", producer+7, 0, true).ErrorCode; got != kerr.InvalidProducerIDMapping.Code {
		t.Errorf("another producer: %d", got)
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 4, kmsg.StringPtr("x"), 60_001
	if got := ask[*kmsg.InitProducerIDResponse](c, req); got.ErrorCode != kerr.InvalidTransactionTimeout.Code || got.ProducerID != -1 {
		t.Errorf("time-out above the limit: %+v", got)
	}
}

func pendingCommit(c *client, b *bench, version int16, id string, producer int64, epoch int16, group string) int16 {
	known, _ := b.topics.TopicByName("a")
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group, req.Generation = version, id, producer, epoch, group, -1
	t := kmsg.NewTxnOffsetCommitRequestTopic()
	t.Topic, t.TopicID = "a", known.ID
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset, p.LeaderEpoch, p.Metadata = 42, 0, kmsg.StringPtr("said")
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return ask[*kmsg.TxnOffsetCommitResponse](c, req).Topics[0].Partitions[0].ErrorCode
}

func TestTransactions_OffsetsArePendingUntilTheEnd(t *testing.T) {
	b, c := alone(t)
	b.topic(t, "a", 1)
	fetched := func(stable bool) (offset int64, code int16) {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version, req.RequireStable = 9, stable
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = "g"
		topic := kmsg.NewOffsetFetchRequestGroupTopic()
		topic.Topic, topic.Partitions = "a", []int32{0}
		g.Topics = append(g.Topics, topic)
		req.Groups = append(req.Groups, g)
		p := ask[*kmsg.OffsetFetchResponse](c, req).Groups[0].Topics[0].Partitions[0]
		return p.Offset, p.ErrorCode
	}
	for v := int16(0); v <= 6; v++ {
		id := string(rune('a' + v))
		producer, epoch := begun(t, c, id)
		if v < 5 {
			if got := pendingCommit(c, b, v, id, producer, epoch, "g"); got != kerr.InvalidTxnState.Code {
				t.Errorf("version %d without AddOffsetsToTxn: %d", v, got)
			}
			req := kmsg.NewPtrAddOffsetsToTxnRequest()
			req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = 3, id, producer, epoch, "g"
			if got := ask[*kmsg.AddOffsetsToTxnResponse](c, req).ErrorCode; got != 0 {
				t.Fatalf("version %d: %d", v, got)
			}
		}
		if got := pendingCommit(c, b, v, id, producer, epoch, "g"); got != 0 {
			t.Fatalf("version %d: %d", v, got)
		}
		if offset, code := fetched(false); offset != -1 || code != 0 {
			t.Errorf("version %d, before the end: %d, %d", v, offset, code)
		}
		if offset, code := fetched(true); offset != -1 || code != kerr.UnstableOffsetCommit.Code {
			t.Errorf("version %d, stable, before the end: %d, %d", v, offset, code)
		}
		commit := v == 6
		got := end(c, min(v, 5), id, producer, epoch, commit)
		if got.ErrorCode != 0 || v >= 5 && (got.ProducerID != producer || got.ProducerEpoch != epoch+1) {
			t.Errorf("version %d: %+v", v, got)
		}
		if again := end(c, min(v, 5), id, producer, epoch, commit); again.ErrorCode != 0 || again.ProducerEpoch != got.ProducerEpoch {
			t.Errorf("version %d, sent again: %+v", v, again)
		}
		if other := end(c, min(v, 5), id, producer, epoch, !commit); other.ErrorCode != kerr.InvalidTxnState.Code {
			t.Errorf("version %d, sent again with another result: %+v", v, other)
		}
		want := int64(-1)
		if commit {
			want = 42
		}
		if offset, code := fetched(true); offset != want || code != 0 {
			t.Errorf("version %d, after the end: %d, %d; want %d", v, offset, code, want)
		}
	}
}

func TestTransactions_AreListedAndDescribedAndAborted(t *testing.T) {
	b, c := alone(t)
	b.topic(t, "a", 2)
	producer, epoch := begun(t, c, "open")
	begun(t, c, "idle")
	if got := addPartition(c, 3, "open", producer, epoch, "a", 1, 7); got[0].ErrorCode != kerr.OperationNotAttempted.Code || got[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("with an unknown partition: %+v", got)
	}
	if got := addPartition(c, 3, "open", producer, epoch, "a", 1)[0].ErrorCode; got != 0 {
		t.Fatal(got)
	}
	list := func(change func(*kmsg.ListTransactionsRequest)) (ids string) {
		req := kmsg.NewPtrListTransactionsRequest()
		req.Version, req.DurationFilterMillis = 2, -1
		change(req)
		for _, s := range ask[*kmsg.ListTransactionsResponse](c, req).TransactionStates {
			ids += s.TransactionalID + " " + s.TransactionState + ";"
		}
		return ids
	}
	for want, change := range map[string]func(*kmsg.ListTransactionsRequest){
		"idle Empty;open Ongoing;": func(*kmsg.ListTransactionsRequest) {},
		"open Ongoing;":            func(r *kmsg.ListTransactionsRequest) { r.StateFilters = []string{"Ongoing", "Nonsense"} },
		"idle Empty;":              func(r *kmsg.ListTransactionsRequest) { r.TransactionalIDPattern = kmsg.StringPtr("id.*") },
		"":                         func(r *kmsg.ListTransactionsRequest) { r.ProducerIDFilters = []int64{producer + 99} },
	} {
		if got := list(change); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	describe := kmsg.NewPtrDescribeTransactionsRequest()
	describe.TransactionalIDs = []string{"open", "nobody"}
	got := ask[*kmsg.DescribeTransactionsResponse](c, describe).TransactionStates
	if s := got[0]; s.State != "Ongoing" || s.TimeoutMillis != 1000 || s.ProducerID != producer || s.StartTimestamp <= 0 || len(s.Topics) != 1 || s.Topics[0].Topic != "a" || s.Topics[0].Partitions[0] != 1 {
		t.Errorf("%+v", s)
	}
	if got[1].ErrorCode != kerr.TransactionalIDNotFound.Code {
		t.Errorf("%+v", got[1])
	}
	abort := kmsg.NewPtrWriteTxnMarkersRequest()
	abort.Version = 1
	m := kmsg.NewWriteTxnMarkersRequestMarker()
	m.ProducerID, m.ProducerEpoch = producer, epoch
	topic := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
	topic.Topic, topic.Partitions = "a", []int32{1}
	m.Topics = append(m.Topics, topic)
	abort.Markers = append(abort.Markers, m)
	if got := ask[*kmsg.WriteTxnMarkersResponse](c, abort).Markers[0].Topics[0].Partitions[0].ErrorCode; got != 0 {
		t.Errorf("abort: %d", got)
	}
	if got := end(c, 5, "open", producer, epoch, true).ErrorCode; got != kerr.ProducerFenced.Code {
		t.Errorf("commit after the abort: %d", got)
	}
}
