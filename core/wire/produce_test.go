package wire

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
)

func produced(t *testing.T, resp *kmsg.ProduceResponse) kmsg.ProduceResponseTopicPartition {
	t.Helper()
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		t.Fatalf("%+v", resp)
	}
	return resp.Topics[0].Partitions[0]
}

func TestProduce_EveryVersionFromThreeAppendsAndOlderOnesAreRefused(t *testing.T) {
	b := newBench(t)
	id := b.topic(t, "a", 1).ID
	c := b.dial(t)
	for v := int16(0); v <= 13; v++ {
		p := produced(t, ask[*kmsg.ProduceResponse](c, produceOf(v, -1, "a", id, map[int32][]byte{0: batchOf(2, 9)})))
		switch {
		case v < 3 && (p.ErrorCode != kerr.UnsupportedForMessageFormat.Code || p.BaseOffset != -1):
			t.Errorf("version %d: %+v", v, p)
		case v >= 3 && (p.ErrorCode != 0 || p.BaseOffset != int64(v-3)*2 || p.LogAppendTime != -1):
			t.Errorf("version %d: %+v", v, p)
		}
	}
}

func TestProduce_ErrorsAreOfTheirPartitionAlone(t *testing.T) {
	b := newBench(t)
	id := b.topic(t, "a", 5).ID
	c := b.dial(t)
	b.logs.outcome = func(in ingest.Incoming) *ingest.Outcome {
		if in.Partition.Partition == 2 {
			return &ingest.Outcome{Err: fmt.Errorf("batch: %w", record.ErrCorrupt), Base: 0}
		}
		return nil
	}
	two := append(batchOf(1, 5), batchOf(1, 5)...)
	zstd := batchOf(1, 5)
	zstd[22] = 4
	req := produceOf(6, -1, "a", id, map[int32][]byte{0: batchOf(1, 5), 1: two, 2: batchOf(1, 5), 3: nil, 4: zstd, 9: batchOf(1, 5)})
	want := map[int32]*kerr.Error{0: nil, 1: kerr.InvalidRecord, 2: kerr.CorruptMessage, 3: kerr.InvalidRecord, 4: kerr.UnsupportedCompressionType, 9: kerr.UnknownTopicOrPartition}
	got := ask[*kmsg.ProduceResponse](c, req).Topics[0].Partitions
	if len(got) != len(want) {
		t.Fatalf("%d partitions answered", len(got))
	}
	for _, p := range got {
		code, base := int16(0), int64(0)
		if want[p.Partition] != nil {
			code, base = want[p.Partition].Code, -1
		}
		if p.ErrorCode != code || p.BaseOffset != base {
			t.Errorf("partition %d: code %d at %d, want %d at %d", p.Partition, p.ErrorCode, p.BaseOffset, code, base)
		}
	}
}

func TestProduce_PartitionNamedTwiceIsAppendedOnce(t *testing.T) {
	b := newBench(t)
	id := b.topic(t, "a", 1).ID
	req := produceOf(9, 1, "a", id, map[int32][]byte{0: batchOf(1, 5)})
	req.Topics = append(req.Topics, req.Topics[0])
	resp := ask[*kmsg.ProduceResponse](b.dial(t), req)
	if resp.Topics[0].Partitions[0].ErrorCode != 0 || resp.Topics[1].Partitions[0].ErrorCode != kerr.InvalidRequest.Code || len(b.logs.adds[0]) != 1 {
		t.Fatalf("%+v", resp.Topics)
	}
}

func TestProduce_IngestErrorsHaveTheirCodes(t *testing.T) {
	b := newBench(t)
	id := b.topic(t, "a", 1).ID
	c := b.dial(t)
	for err, want := range map[error]*kerr.Error{
		ingest.ErrUnknownPartition: kerr.UnknownTopicOrPartition, ingest.ErrFenced: kerr.InvalidProducerEpoch, ingest.ErrOutOfOrder: kerr.OutOfOrderSequenceNumber,
		ingest.ErrUnknownProducer: kerr.UnknownProducerID, ingest.ErrOldDuplicate: kerr.DuplicateSequenceNumber, ingest.ErrNoKey: kerr.InvalidRecord,
		ingest.ErrTimestamp: kerr.InvalidTimestamp, ingest.ErrNotAppended: kerr.NotEnoughReplicas, ingest.ErrUnknown: kerr.RequestTimedOut,
		ingest.ErrNoTransaction: kerr.TransactionalIDAuthorizationFailed, ingest.ErrTxnState: kerr.InvalidTxnState, record.ErrTooLarge: kerr.MessageTooLarge, record.ErrInvalid: kerr.InvalidRecord,
		record.ErrUnknownCodec: kerr.UnsupportedCompressionType, record.ErrOldFormat: kerr.UnsupportedForMessageFormat, errors.New("?"): kerr.UnknownServerError,
	} {
		b.logs.outcome = func(ingest.Incoming) *ingest.Outcome { return &ingest.Outcome{Err: fmt.Errorf("append: %w", err)} }
		p := produced(t, ask[*kmsg.ProduceResponse](c, produceOf(9, 1, "a", id, map[int32][]byte{0: batchOf(1, 5)})))
		if p.ErrorCode != want.Code || p.BaseOffset != -1 || p.LogAppendTime != -1 || p.ErrorMessage == nil {
			t.Errorf("%v: %+v, want %v", err, p, want)
		}
	}
}

func TestProduce_BadRecordsAreNamed(t *testing.T) {
	b := newBench(t)
	id := b.topic(t, "a", 1).ID
	b.logs.outcome = func(ingest.Incoming) *ingest.Outcome {
		return &ingest.Outcome{Err: ingest.ErrNoKey, BadRecords: []int32{1, 4}}
	}
	c := b.dial(t)
	p := produced(t, ask[*kmsg.ProduceResponse](c, produceOf(8, 1, "a", id, map[int32][]byte{0: batchOf(6, 5)})))
	if p.ErrorCode != kerr.InvalidRecord.Code || len(p.ErrorRecords) != 2 || p.ErrorRecords[1].RelativeOffset != 4 || p.ErrorRecords[1].ErrorMessage == nil {
		t.Fatalf("%+v", p)
	}
}

func TestProduce_DuplicateAnswersTheFirstOffsetAndAppendTimeIsTold(t *testing.T) {
	b := newBench(t)
	id := b.topic(t, "a", 1).ID
	b.logs.outcome = func(ingest.Incoming) *ingest.Outcome {
		return &ingest.Outcome{Base: 41, AppendTime: 1234, LogStart: 7}
	}
	p := produced(t, ask[*kmsg.ProduceResponse](b.dial(t), produceOf(9, 1, "a", id, map[int32][]byte{0: batchOf(1, 5)})))
	if p.ErrorCode != 0 || p.BaseOffset != 41 || p.LogAppendTime != 1234 || p.LogStartOffset != 7 {
		t.Fatalf("%+v", p)
	}
}

func TestProduce_AcksMustBeMinusOneZeroOrOne(t *testing.T) {
	b := newBench(t)
	id := b.topic(t, "a", 1).ID
	c := b.dial(t)
	for _, acks := range []int16{-2, 2, 3} {
		p := produced(t, ask[*kmsg.ProduceResponse](c, produceOf(9, acks, "a", id, map[int32][]byte{0: batchOf(1, 5)})))
		if p.ErrorCode != kerr.InvalidRequiredAcks.Code {
			t.Errorf("acks %d: %+v", acks, p)
		}
	}
	if b.logs.added() != 0 {
		t.Error("something was appended")
	}
}

func TestProduce_WithoutAcknowledgementIsNeverAnsweredAndAnErrorCloses(t *testing.T) {
	b := newBench(t)
	id := b.topic(t, "a", 1).ID
	c := b.dial(t)
	c.send(produceOf(9, 0, "a", id, map[int32][]byte{0: batchOf(1, 5)}))
	c.call(metadataAll()) // its answer is the next that comes
	if b.logs.added() != 1 {
		t.Fatal("not appended")
	}
	c.send(produceOf(9, 0, "nowhere", id, map[int32][]byte{0: batchOf(1, 5)}))
	c.closed()
}

func TestProduce_TimeOutIsAnsweredAsSuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		id := b.topic(t, "a", 1).ID
		b.logs.gate = make(chan struct{})
		c := b.dial(t)
		began := time.Now()
		c.nc.SetReadDeadline(began.Add(time.Minute)) // fail, not hang, when it never comes
		p := produced(t, ask[*kmsg.ProduceResponse](c, produceOf(9, 1, "a", id, map[int32][]byte{0: batchOf(1, 5)})))
		if p.ErrorCode != kerr.RequestTimedOut.Code || p.BaseOffset != -1 || time.Since(began) != 5*time.Second {
			t.Fatalf("%+v after %v", p, time.Since(began))
		}
		c.nc.Close()
		synctest.Wait()
	})
}

func TestProduce_UnknownTopics(t *testing.T) {
	b := newBench(t)
	id := b.topic(t, "a", 1).ID
	c := b.dial(t)
	batches := map[int32][]byte{0: batchOf(1, 5)}
	for _, one := range []struct {
		name string
		req  *kmsg.ProduceRequest
		want *kerr.Error
	}{
		{"name", produceOf(9, 1, "b", id, batches), kerr.UnknownTopicOrPartition},
		{"id", produceOf(13, 1, "", record.TopicID{5}, batches), kerr.UnknownTopicID},
		{"bad name", produceOf(9, 1, "a/b", id, batches), kerr.InvalidTopicException},
	} {
		if p := produced(t, ask[*kmsg.ProduceResponse](c, one.req)); p.ErrorCode != one.want.Code {
			t.Errorf("%s: code %d", one.name, p.ErrorCode)
		}
	}
	b.topics.hidden = true // another instance has just made it
	if p := produced(t, ask[*kmsg.ProduceResponse](c, produceOf(13, 1, "", id, batches))); p.ErrorCode != 0 {
		t.Errorf("refused without a barrier: code %d", p.ErrorCode)
	}
	if _, ok := b.topics.TopicByName("b"); ok {
		t.Error("Produce made a topic")
	}
}

func TestInitProducerID_NullAndEmptyGetFreshOnes(t *testing.T) {
	c := newBench(t).dial(t)
	seen := map[int64]bool{}
	for v := int16(0); v <= 5; v++ {
		for _, tx := range []*string{nil, kmsg.StringPtr("")} {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.Version, req.TransactionalID = v, tx
			resp := ask[*kmsg.InitProducerIDResponse](c, req)
			if resp.ErrorCode != 0 || resp.ProducerEpoch != 0 || seen[resp.ProducerID] {
				t.Errorf("version %d: %+v", v, resp)
			}
			seen[resp.ProducerID] = true
		}
	}
}

func TestProduce_LogStartIsNotInventedWithAnError(t *testing.T) {
	b := newBench(t)
	id := b.topic(t, "a", 1).ID
	c := b.dial(t)
	for err, want := range map[error]int64{ingest.ErrFenced: -1, ingest.ErrUnknownProducer: 7} {
		b.logs.outcome = func(ingest.Incoming) *ingest.Outcome { return &ingest.Outcome{Err: err, Base: -1, LogStart: 7} }
		if p := produced(t, ask[*kmsg.ProduceResponse](c, produceOf(9, 1, "a", id, map[int32][]byte{0: batchOf(1, 5)}))); p.LogStartOffset != want {
			t.Errorf("%v: log start %d, want %d", err, p.LogStartOffset, want)
		}
	}
}
