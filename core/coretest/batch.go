package coretest

import (
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
)

// Plain is a batch without producer id, stamped now.
func Plain(tp record.TopicPartition, values ...string) ingest.Incoming {
	return Batch(tp, record.Settings{}, time.Now().UnixMilli(), values...)
}

// Idempotent is a batch of a producer, whose first record has the sequence first.
func Idempotent(tp record.TopicPartition, id record.ProducerID, epoch record.Epoch, first int32, values ...string) ingest.Incoming {
	return Batch(tp, record.Settings{Sequence: &record.Sequence{Producer: id, Epoch: epoch, First: first}}, time.Now().UnixMilli(), values...)
}

// Transactional is a batch of a transaction of a KIP-890 client.
func Transactional(transaction string, tp record.TopicPartition, id record.ProducerID, epoch record.Epoch, first int32, values ...string) ingest.Incoming {
	in := Batch(tp, record.Settings{Transactional: true, Sequence: &record.Sequence{Producer: id, Epoch: epoch, First: first}}, time.Now().UnixMilli(), values...)
	in.Transaction, in.Implicit = transaction, true
	return in
}

// Batch makes one of values, with key "k", a millisecond apart.
func Batch(tp record.TopicPartition, s record.Settings, ms int64, values ...string) ingest.Incoming {
	b := record.NewBatch(s)
	for i, v := range values {
		b.Append(ms+int64(i), []byte("k"), []byte(v))
	}
	sealed, err := b.Seal()
	if err != nil {
		panic(err)
	}
	return ingest.Incoming{Partition: tp, Batch: sealed}
}

// Record is one record as a consumer sees it.
type Record struct {
	Offset    record.Offset
	Timestamp int64
	Value     string
}

// Records unpacks batches.
func Records(t *testing.T, batches []byte) (out []Record) {
	t.Helper()
	for b, err := range record.Batches(batches) {
		if err != nil {
			t.Fatalf("walk batches: %v", err)
		}
		h, err := record.Check(b)
		if err != nil {
			t.Fatalf("check batch: %v", err)
		}
		for r, err := range record.Records(b, record.DecompressedBytesMax) {
			if err != nil {
				t.Fatalf("read records: %v", err)
			}
			out = append(out, Record{h.OffsetOf(r), h.TimestampOf(r), string(r.Value)})
		}
	}
	return out
}
