package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestEncode_FetchInPiecesIsWhatPlainEncodingGives holds in each version, for whatever shape an answer has.
func TestEncode_FetchInPiecesIsWhatPlainEncodingGives(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for version := int16(4); version <= 18; version++ {
		inPieces := false
		for range 100 {
			resp := someFetchResponse(rnd, version)
			want := binary.BigEndian.AppendUint32(make([]byte, 4), 77)
			if resp.IsFlexible() {
				want = append(want, 0)
			}
			want = resp.AppendTo(want)
			binary.BigEndian.PutUint32(want, uint32(len(want)-4))
			r := &request{api: &api{key: kmsg.Fetch}, correlation: 77}
			for range 2 { // encoding leaves the response as it was
				frame := r.encode(resp)
				inPieces = inPieces || len(frame) > 1
				if got := bytes.Join(frame, nil); !bytes.Equal(got, want) {
					t.Fatalf("version %d: %d bytes in %d pieces differ from the %d bytes of plain encoding", version, len(got), len(frame), len(want))
				}
			}
		}
		if !inPieces {
			t.Errorf("version %d: no answer had more than one piece", version)
		}
	}
}

// TestEncode_LargeBatchesAreNotCopied: a piece is the very memory that the reader gave.
func TestEncode_LargeBatchesAreNotCopied(t *testing.T) {
	resp := someFetchResponse(rand.New(rand.NewPCG(3, 4)), 12)
	batches := make([]byte, vectorBytesMin)
	topic := kmsg.NewFetchResponseTopic()
	partition := kmsg.NewFetchResponseTopicPartition()
	partition.RecordBatches = batches
	topic.Partitions = append(topic.Partitions, partition)
	resp.Topics = []kmsg.FetchResponseTopic{topic}
	frame := (&request{api: &api{key: kmsg.Fetch}}).encode(resp)
	if len(frame) != 3 || &frame[1][0] != &batches[0] {
		t.Errorf("%d pieces, want fields, the batches themselves, fields", len(frame))
	}
}

// someFetchResponse has batches of all lengths where their prefix grows, of bytes that say nothing.
func someFetchResponse(rnd *rand.Rand, version int16) *kmsg.FetchResponse {
	sizes := []int{0, 1, 126, 127, 128, vectorBytesMin - 1, vectorBytesMin, 16382, 16383, 16384, 70_000}
	resp := kmsg.NewPtrFetchResponse()
	resp.Version, resp.SessionID = version, rnd.Int32()
	for range rnd.IntN(5) {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = string(randomBytes(rnd, rnd.IntN(200)))
		copy(topic.TopicID[:], randomBytes(rnd, 16))
		for i := range rnd.IntN(6) {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.HighWatermark = int32(i), rnd.Int64()
			p.RecordBatches = randomBytes(rnd, sizes[rnd.IntN(len(sizes))])
			for range rnd.IntN(3) {
				a := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
				a.ProducerID, a.FirstOffset = rnd.Int64(), rnd.Int64()
				p.AbortedTransactions = append(p.AbortedTransactions, a)
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

func randomBytes(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}
