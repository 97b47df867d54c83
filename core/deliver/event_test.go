package deliver

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/record"
)

// portionOf makes a portion of one batch, as a fetch at an offset would.
func portionOf(t *testing.T, rule Rule, at record.Offset, append func(b *record.Builder)) ([]Record, record.Offset) {
	t.Helper()
	b := record.NewBatch(record.Settings{})
	append(b)
	batch, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	f := consume.Fetched{Place: &consume.Place{Topic: "orders", Partition: 7, Position: at}}
	f.Batches = batch
	records, next, err := take(f, rule, 0)
	if err != nil {
		t.Fatal(err)
	}
	return records, next
}

var large = Rule{RecordsMax: 1000, BytesMax: PayloadBytesMax, Attempts: 3, Bisect: true}

const golden = `{"eventSource":"SelfManagedKafka","bootstrapServers":"b:9092","records":{"orders-7":[` +
	`{"topic":"orders","partition":7,"offset":0,"timestamp":1545084650987,"timestampType":"CREATE_TIME","key":"aw==","value":"AP/+",` +
	`"headers":[{"h":[0,127,-128,-1]},{"h":[]},{"quote\"":[97]}]},` +
	`{"topic":"orders","partition":7,"offset":1,"timestamp":1545084650988,"timestampType":"CREATE_TIME","key":"","headers":[]}]}}`

func TestEvent_IsWhatAWSSendsForASelfManagedCluster(t *testing.T) {
	records, next := portionOf(t, large, 0, func(b *record.Builder) {
		b.Append(1545084650987, []byte("k"), []byte{0, 0xff, 0xfe}, record.RecordHeader{Key: "h", Value: []byte{0, 127, 128, 255}}, record.RecordHeader{Key: "h"}, record.RecordHeader{Key: `quote"`, Value: []byte("a")})
		b.Append(1545084650988, []byte{}, nil)
	})
	got := newFrame("b:9092", "orders", 7).event(records)
	if string(got) != golden || next != 2 {
		t.Fatalf("next %d:\n%s\nwant:\n%s", next, got, golden)
	}
	var e events.KafkaEvent
	d := json.NewDecoder(bytes.NewReader(got))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		t.Fatal(err)
	}
	r := e.Records["orders-7"]
	if e.EventSource != "SelfManagedKafka" || len(r) != 2 || r[0].Offset != 0 || r[0].Partition != 7 || r[0].Timestamp.UnixMilli() != 1545084650987 || r[0].Value != "AP/+" ||
		!bytes.Equal(r[0].Headers[0]["h"], []byte{0, 127, 128, 255}) || r[1].Offset != 1 {
		t.Errorf("aws-lambda-go reads %+v", e)
	}
}

func TestEvent_SizeIsReckonedToTheByte(t *testing.T) {
	records, _ := portionOf(t, large, 0, func(b *record.Builder) {
		for range 10 {
			b.Append(1, nil, []byte(strings.Repeat("x", 100)))
		}
	})
	f := newFrame("", "orders", 7)
	one := f.size() + len(records[0].JSON) + 1
	for max := one; max < one+3*len(records[0].JSON); max++ {
		p := newPlan(Rule{RecordsMax: 100, BytesMax: max, Attempts: 1}, f.size(), records, 10)
		batch := p.Next()
		size := len(f.event(batch))
		if size > max || size+1+len(records[0].JSON)+1 <= max {
			t.Fatalf("%d records are %d bytes, where %d may be", len(batch), size, max)
		}
	}
}

func TestTake_GoesOnFromThePositionAndEndsWhereItIsEnough(t *testing.T) {
	ten := func(b *record.Builder) {
		for i := range 100 {
			b.Append(int64(i), nil, []byte("v"))
		}
	}
	records, next := portionOf(t, Rule{RecordsMax: 2, BytesMax: 1 << 20}, 5, ten)
	if len(records) != 2*portionBatches || records[0].Offset != 5 || next != 25 {
		t.Errorf("%d records from %d, next %d", len(records), records[0].Offset, next)
	}
	records, next = portionOf(t, Rule{RecordsMax: 200, BytesMax: 20}, 0, ten)
	if len(records) != 100 || records[0].JSON != nil || next != 100 {
		t.Errorf("%d records, %s: they are too large for an event, and are to be told so", len(records), records[0].JSON)
	}
}

func TestAnswer_NamesTheFirstThatFailed(t *testing.T) {
	batch := []Record{{Offset: 10}, {Offset: 11}, {Offset: 13}}
	for answer, want := range map[string]struct {
		first       record.Offset
		failed, bad bool
	}{
		``: {}, `null`: {}, `"ok"`: {}, `{}`: {}, `{"statusCode":200}`: {}, `{"batchItemFailures":[]}`: {}, `{"batchItemFailures":null}`: {},
		`{"batchItemFailures":[{"itemIdentifier":{"partition":"t-0","offset":13}},{"itemIdentifier":{"partition":"t-0","offset":11}}]}`: {11, true, false},
		`{"batchItemFailures":[{"itemIdentifier":{"partition":"t-1","offset":11}}]}`:                                                    {0, false, true},
		`{"batchItemFailures":[{"itemIdentifier":{"partition":"t-0","offset":12}}]}`:                                                    {0, false, true},
		`{"batchItemFailures":[{"itemIdentifier":{"partition":"t-0"}}]}`:                                                                {0, false, true},
		`{"batchItemFailures":[{"itemIdentifier":""}]}`:                                                                                 {0, false, true},
		`{"batchItemFailures":[{"itemIdentifier":null}]}`:                                                                               {0, false, true},
		`{"batchItemFailures":[{"id":"x"}]}`:                                                                                            {0, false, true},
		`{"batchItemFailures":"x"}`:                                                                                                     {0, false, true},
	} {
		if first, failed, bad := readAnswer([]byte(answer), "t-0", batch); first != want.first || failed != want.failed || bad != want.bad {
			t.Errorf("%s: %d %t %t, want %+v", answer, first, failed, bad, want)
		}
	}
}
