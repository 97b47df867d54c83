package wire

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// fetchOf reads partition 0 from an offset, without a session.
func fetchOf(version int16, name string, id record.TopicID, offset int64, waitMs int32, more ...int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = version, waitMs, 1, 1<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = name, id
	for _, n := range append([]int32{0}, more...) {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = n, offset, 1<<20
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

func onlyPartition(t *testing.T, resp *kmsg.FetchResponse) kmsg.FetchResponseTopicPartition {
	t.Helper()
	if resp.ErrorCode != 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		t.Fatalf("%+v", resp)
	}
	return resp.Topics[0].Partitions[0]
}

// filled is a bench with topic a of 3 partitions, and two records in partition 0.
func filled(t *testing.T, change ...func(*Settings)) (*bench, *client, record.TopicID) {
	b := newBench(t, change...)
	made := b.topic(t, "a", 3)
	c := b.dial(t)
	c.call(produceOf(9, 1, "a", made.ID, map[int32][]byte{0: batchOf(2, 50)}))
	return b, c, made.ID
}

func TestFetch_EveryVersionGivesStoredBytes(t *testing.T) {
	_, c, id := filled(t)
	for v := int16(4); v <= 18; v++ {
		p := onlyPartition(t, ask[*kmsg.FetchResponse](c, fetchOf(v, "a", id, 0, 0)))
		if p.ErrorCode != 0 || len(p.RecordBatches) != 111 || p.HighWatermark != 2 || p.PreferredReadReplica != -1 || p.AbortedTransactions != nil {
			t.Fatalf("version %d: %+v", v, p)
		}
	}
}

func TestFetch_AnswersAtOnceOnAnyPartitionErrorAndServesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, id := filled(t)
		for name, req := range map[string]*kmsg.FetchRequest{
			"out of range":      fetchOf(11, "a", id, 99, 60_000),
			"unknown partition": fetchOf(11, "a", id, 2, 60_000, 7),
			"unknown topic":     fetchOf(11, "b", id, 0, 60_000),
			"unknown id":        fetchOf(13, "", record.TopicID{9}, 0, 60_000),
			"no partitions":     {Version: 11, MaxWaitMillis: 60_000, MinBytes: 1, SessionEpoch: -1},
			"no wait":           fetchOf(11, "a", id, 2, 0),
		} {
			began := time.Now()
			c.call(req)
			if d := time.Since(began); d != 0 {
				t.Errorf("%s: answered after %v", name, d)
			}
		}
		c.nc.Close()
		synctest.Wait()
	})
}

func TestFetch_WakesWhenRecordsArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c, id := filled(t)
		poll := fetchOf(11, "a", id, 2, 60_000)
		c.send(poll)
		time.Sleep(time.Second)
		began := time.Now()
		other := b.dial(t)
		other.call(produceOf(9, 1, "a", id, map[int32][]byte{0: batchOf(1, 50)}))
		_, resp := c.receive(poll)
		if p := onlyPartition(t, resp.(*kmsg.FetchResponse)); time.Since(began) != 0 || len(p.RecordBatches) == 0 {
			t.Fatalf("%d bytes after %v", len(p.RecordBatches), time.Since(began))
		}
		c.nc.Close()
		other.nc.Close()
		synctest.Wait()
	})
}

func TestFetch_Errors(t *testing.T) {
	b, c, id := filled(t)
	for _, one := range []struct {
		name string
		req  *kmsg.FetchRequest
		want *kerr.Error
	}{
		{"out of range", fetchOf(12, "a", id, 99, 0), kerr.OffsetOutOfRange},
		{"unknown topic", fetchOf(12, "b", id, 0, 0), kerr.UnknownTopicOrPartition},
		{"unknown id", fetchOf(13, "", record.TopicID{9}, 0, 0), kerr.UnknownTopicID},
		{"zero id", fetchOf(13, "", record.TopicID{}, 0, 0), kerr.UnknownTopicID},
	} {
		if p := onlyPartition(t, ask[*kmsg.FetchResponse](c, one.req)); p.ErrorCode != one.want.Code {
			t.Errorf("%s: code %d, want %v", one.name, p.ErrorCode, one.want)
		}
	}
	if p := onlyPartition(t, ask[*kmsg.FetchResponse](c, fetchOf(12, "a", id, 99, 0))); p.HighWatermark != 2 || p.LogStartOffset != 0 {
		t.Errorf("out of range without its bounds: %+v", p)
	}
	for epoch, want := range map[int32]int16{-1: 0, 0: 0, 1: kerr.UnknownLeaderEpoch.Code, -2: kerr.FencedLeaderEpoch.Code} {
		req := fetchOf(12, "a", id, 0, 0)
		req.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch
		if p := onlyPartition(t, ask[*kmsg.FetchResponse](c, req)); p.ErrorCode != want {
			t.Errorf("epoch %d: code %d, want %d", epoch, p.ErrorCode, want)
		}
	}
	b.topics.failing, b.topics.hidden = errors.New("no etcd"), true
	if p := onlyPartition(t, ask[*kmsg.FetchResponse](c, fetchOf(12, "a", id, 0, 0))); p.ErrorCode != kerr.LeaderNotAvailable.Code {
		t.Errorf("nobody can say: code %d", p.ErrorCode)
	}
}

func TestFetch_UnknownIsSaidBehindABarrierOnly(t *testing.T) {
	b, c, id := filled(t)
	b.topics.hidden = true
	if p := onlyPartition(t, ask[*kmsg.FetchResponse](c, fetchOf(13, "", id, 0, 0))); p.ErrorCode != 0 {
		t.Fatalf("code %d", p.ErrorCode)
	}
}

func TestFetch_ReadCommittedHasAListOfAbortedEvenIfEmpty(t *testing.T) {
	_, c, id := filled(t)
	req := fetchOf(12, "a", id, 0, 0)
	req.IsolationLevel = 1
	if p := onlyPartition(t, ask[*kmsg.FetchResponse](c, req)); p.AbortedTransactions == nil {
		t.Fatal("null")
	}
}

func TestFetch_OldVersionIsRefusedAZstdTopicButNotZstdThatProducersChose(t *testing.T) {
	b, c, _ := filled(t)
	zstd := batchOf(1, 5)
	zstd[22] = 4
	free, bound := b.topic(t, "free", 1), b.topic(t, "bound", 1, "compression.type", "zstd")
	c.call(produceOf(9, 1, "free", free.ID, map[int32][]byte{0: zstd}))
	unsupported := kerr.UnsupportedCompressionType.Code
	for _, tc := range []struct {
		version, code int16
		topic         *ledger.Topic
	}{{9, 0, free}, {10, 0, free}, {9, unsupported, bound}, {10, 0, bound}} {
		p := onlyPartition(t, ask[*kmsg.FetchResponse](c, fetchOf(tc.version, tc.topic.Name, tc.topic.ID, 0, 0)))
		if p.ErrorCode != tc.code || tc.topic == free && len(p.RecordBatches) == 0 {
			t.Errorf("%s, version %d: code %d, %d bytes", tc.topic.Name, tc.version, p.ErrorCode, len(p.RecordBatches))
		}
	}
}

func TestFetch_LimitsOfTheServerAndOddOnesOfTheClientHold(t *testing.T) {
	b, c, id := filled(t, func(s *Settings) { s.FetchBytesMax = 1000 })
	req := fetchOf(12, "a", id, 0, 0)
	req.MaxBytes, req.MinBytes, req.MaxWaitMillis = 1<<31-1, -5, -7
	req.Topics[0].Partitions[0].PartitionMaxBytes = -3
	c.call(req)
	got := b.logs.reads[len(b.logs.reads)-1]
	if got.BytesMax != 1000 || got.BytesMin != 0 || got.WaitMax != 0 || got.Partitions[0].BytesMax != 0 {
		t.Fatalf("%+v", got)
	}
}

func TestFetch_LargeAnswersShareMemoryAndShrinkToOneBatchWhenThereIsNone(t *testing.T) {
	b, c, id := filled(t, func(s *Settings) { s.ResponseMemory = 1 << 20 })
	for range 3 {
		c.call(produceOf(9, 1, "a", id, map[int32][]byte{1: batchOf(1, 300<<10)}))
	}
	req := fetchOf(12, "a", id, 0, 0, 1)
	if resp := ask[*kmsg.FetchResponse](c, req); len(resp.Topics[0].Partitions[1].RecordBatches) != 3*(300<<10+61) {
		t.Fatal("cut short although there is memory")
	}
	c.call(metadataAll()) // once this is answered, the one before is done with
	if !b.responses.TryAcquire(1 << 20) {
		t.Fatal("memory was not given back")
	}
	req.Topics[0].Partitions = req.Topics[0].Partitions[1:]
	if resp := ask[*kmsg.FetchResponse](c, req); len(resp.Topics[0].Partitions[0].RecordBatches) != 300<<10+61 {
		t.Fatal("want exactly the first batch")
	}
}

func TestFetch_RackOfAnotherZoneIsSentThere(t *testing.T) {
	b, c, id := filled(t)
	b.cluster.set(node(1, "a"), node(2, "b"), node(3, "b"))
	want, _ := instance.Preferred(b.cluster.live, record.TopicPartition{Topic: id}, "b")
	for rack, node := range map[string]int32{"": -1, "a": -1, "b": want.Node, "elsewhere": -1} {
		req := fetchOf(11, "a", id, 0, 60_000)
		req.Rack = rack
		p := onlyPartition(t, ask[*kmsg.FetchResponse](c, req))
		if p.PreferredReadReplica != node || (len(p.RecordBatches) == 0) != (node >= 0) || p.HighWatermark != 2 {
			t.Errorf("rack %q: sent to %d with %d bytes, want %d", rack, p.PreferredReadReplica, len(p.RecordBatches), node)
		}
	}
	old := fetchOf(10, "a", id, 0, 0)
	if p := onlyPartition(t, ask[*kmsg.FetchResponse](c, old)); len(p.RecordBatches) == 0 {
		t.Error("a version without racks was sent away")
	}
}

func TestListOffsets_SpecialsAndTheirVersions(t *testing.T) {
	b, c, _ := filled(t)
	b.logs.logs[record.TopicPartition{Topic: b.logs.adds[0][0].Partition.Topic}].start = 1
	none, unsupported := int64(-1), kerr.UnsupportedVersion.Code
	for _, one := range []struct {
		when         int64
		since        int16
		offset, time int64
	}{
		{-1, 1, 2, -1}, {-2, 1, 1, -1}, {-3, 7, 77, 1234}, {-4, 8, 1, -1}, {-5, 9, 1, -1}, {-6, 11, none, -1}, {-7, 99, 0, 0}, {500, 1, 500, 505}, {5000, 1, none, -1},
	} {
		for v := int16(1); v <= 11; v++ {
			p := ask[*kmsg.ListOffsetsResponse](c, listOf(v, "a", 0, one.when)).Topics[0].Partitions[0]
			if v < one.since {
				if p.ErrorCode != unsupported {
					t.Errorf("%d in version %d: code %d", one.when, v, p.ErrorCode)
				}
				continue
			}
			if p.ErrorCode != 0 || p.Offset != one.offset || p.Timestamp != one.time || v >= 4 && p.LeaderEpoch != min(0, int32(one.offset)) {
				t.Errorf("%d in version %d: %+v", one.when, v, p)
			}
		}
	}
	committed := listOf(8, "a", 0, -1)
	committed.IsolationLevel = 1
	if p := ask[*kmsg.ListOffsetsResponse](c, committed).Topics[0].Partitions[0]; p.Offset != 1 {
		t.Errorf("read_committed: %d, want the last stable offset 1", p.Offset)
	}
	old := listOf(0, "a", 0, -1)
	old.Topics[0].Partitions[0].MaxNumOffsets = 1
	if p := ask[*kmsg.ListOffsetsResponse](c, old).Topics[0].Partitions[0]; len(p.OldStyleOffsets) != 1 || p.OldStyleOffsets[0] != 2 {
		t.Errorf("version 0: %+v", p)
	}
	if p := ask[*kmsg.ListOffsetsResponse](c, listOf(8, "a", 9, -1)).Topics[0].Partitions[0]; p.ErrorCode != kerr.UnknownTopicOrPartition.Code || p.Offset != -1 {
		t.Errorf("unknown partition: %+v", p)
	}
}

func listOf(version int16, name string, partition int32, when int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = version, -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = name
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, when
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

func TestOffsetForLeaderEpoch_TheOneEpochEndsAtTheHighWatermark(t *testing.T) {
	_, c, _ := filled(t)
	for v := int16(0); v <= 4; v++ {
		for epoch, want := range map[int32][2]int64{0: {0, 2}, 1: {-1, -1}, -1: {-1, -1}} {
			req := kmsg.NewPtrOffsetForLeaderEpochRequest()
			req.Version = v
			topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
			topic.Topic = "a"
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.LeaderEpoch = epoch
			topic.Partitions = append(topic.Partitions, p)
			req.Topics = append(req.Topics, topic)
			got := ask[*kmsg.OffsetForLeaderEpochResponse](c, req).Topics[0].Partitions[0]
			if got.ErrorCode != 0 || got.EndOffset != want[1] || v >= 1 && int64(got.LeaderEpoch) != want[0] {
				t.Errorf("version %d epoch %d: %+v", v, epoch, got)
			}
		}
	}
}

func TestErrors_EveryCodeIsKnownAndUnknownErrorsAreLogged(t *testing.T) {
	b := newBench(t)
	if got := b.code(errors.New("never seen")); got != kerr.UnknownServerError.Code || b.logged.String() == "" {
		t.Fatalf("code %d, log %q", got, b.logged.String())
	}
	if b.code(nil) != 0 || b.code(fetch.ErrUnavailable) != kerr.ReplicaNotAvailable.Code {
		t.Fatal("table")
	}
}
