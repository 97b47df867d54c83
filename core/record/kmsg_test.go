package record

import (
	"bytes"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// franzBatch writes a batch with franz-go's codec, as the second opinion on the format.
func franzBatch(s Settings, messages []message) []byte {
	var body []byte
	for i, m := range messages {
		r := kmsg.Record{
			TimestampDelta64: m.timestamp - messages[0].timestamp,
			OffsetDelta:      int32(i),
			Key:              m.key,
			Value:            m.value,
		}
		for _, h := range m.headers {
			r.Headers = append(r.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
		}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // a length of 0 takes one byte
		body = r.AppendTo(body)
	}
	b := kmsg.RecordBatch{
		FirstOffset: int64(s.BaseOffset), Magic: 2,
		LastOffsetDelta: int32(len(messages) - 1), FirstTimestamp: messages[0].timestamp, MaxTimestamp: messages[0].timestamp,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		NumRecords: int32(len(messages)), Records: body, Length: int32(49 + len(body)),
	}
	for _, m := range messages {
		b.MaxTimestamp = max(b.MaxTimestamp, m.timestamp)
	}
	if s.Sequence != nil {
		b.ProducerID, b.ProducerEpoch, b.FirstSequence = int64(s.Sequence.Producer), int16(s.Sequence.Epoch), s.Sequence.First
	}
	if s.Transactional {
		b.Attributes = 1 << 4
	}
	b.CRC = int32(crc32.Checksum(b.AppendTo(nil)[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}

func TestBuilder_WritesWhatFranzWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, messages := drawSettings(t), drawMessages(t)
		s.Codec = CodecNone
		want := franzBatch(s, messages)
		if got := build(t, s, messages...); !bytes.Equal(got, want) {
			t.Fatalf("got  %x\nwant %x", got, want)
		}
		if _, err := Validate(want, Limits{Deep: true}); err != nil {
			t.Fatal(err)
		}
		checkRecords(t, want, messages)
	})
}

func TestPartitionForKey_IsTheJavaClients(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := murmur2([]byte(key)); got != want {
			t.Errorf("murmur2(%q) is %d, want %d", key, got, want)
		}
	}
	franz := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		n := rapid.Int32Range(1, 10_000).Draw(t, "partitions")
		if key == nil {
			key = []byte{}
		}
		if got, want := PartitionForKey(key, n), franz.Partition(&kgo.Record{Key: key}, int(n)); got != int32(want) {
			t.Fatalf("key %x of %d: got %d, want %d", key, n, got, want)
		}
	})
}
