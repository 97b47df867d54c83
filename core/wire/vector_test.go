package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
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
			want = joined(resp).AppendTo(want)
			binary.BigEndian.PutUint32(want, uint32(len(want)-4))
			frame, size := (&request{caller: caller{api: &api{key: kmsg.Fetch}}, correlation: 77}).encode(resp)
			inPieces = inPieces || len(frame) > 1
			if got := bytes.Join(frame, nil); size != len(want) || !bytes.Equal(got, want) {
				t.Fatalf("version %d: %d bytes in %d pieces differ from the %d bytes of plain encoding", version, len(got), len(frame), len(want))
			}
		}
		if !inPieces {
			t.Errorf("version %d: no answer had more than one piece", version)
		}
	}
}

// TestEncode_LargeBatchesAreNotCopied: pieces are the very memory that the reader gave.
func TestEncode_LargeBatchesAreNotCopied(t *testing.T) {
	resp := someFetchResponse(rand.New(rand.NewPCG(3, 4)), 12)
	batches := net.Buffers{make([]byte, 16), make([]byte, vectorBytesMin)}
	topic := kmsg.NewFetchResponseTopic()
	topic.Partitions = append(topic.Partitions, kmsg.NewFetchResponseTopicPartition())
	resp.Topics, resp.batches = []kmsg.FetchResponseTopic{topic}, [][]net.Buffers{{batches}}
	frame, _ := (&request{caller: caller{api: &api{key: kmsg.Fetch}}}).encode(resp)
	if len(frame) != 4 || &frame[1][0] != &batches[0][0] || &frame[2][0] != &batches[1][0] {
		t.Errorf("%d pieces, want fields, the two of the batches, fields", len(frame))
	}
}

// TestEncode_AllocatesNothingForTheBytesOfBatches, and for a piece no more than its place in the list.
func TestEncode_AllocatesNothingForTheBytesOfBatches(t *testing.T) {
	r := &request{caller: caller{api: &api{key: kmsg.Fetch}}}
	count := func(pieces, size int) float64 {
		resp := evenFetchResponse(1, pieces, size)
		return testing.AllocsPerRun(20, func() { r.encode(resp) })
	}
	few, large, many := count(2, vectorBytesMin), count(2, 1<<20), count(1000, vectorBytesMin)
	if large > few || many > few+2 {
		t.Errorf("%v allocations for two pieces, %v for two large ones, %v for a thousand", few, large, many)
	}
}

func BenchmarkHotEncodeFetch(b *testing.B) {
	r, resp := &request{caller: caller{api: &api{key: kmsg.Fetch}}}, evenFetchResponse(12, 32, 32<<10)
	b.SetBytes(12 * 32 * 32 << 10)
	b.ReportAllocs()
	for b.Loop() {
		r.encode(resp)
	}
}

// evenFetchResponse has so many partitions, each with so many pieces of a size.
func evenFetchResponse(partitions, pieces, size int) *fetchResponse {
	resp := &fetchResponse{FetchResponse: kmsg.NewPtrFetchResponse(), batches: [][]net.Buffers{nil}}
	resp.Version = 12
	topic := kmsg.NewFetchResponseTopic()
	for range partitions {
		topic.Partitions = append(topic.Partitions, kmsg.NewFetchResponseTopicPartition())
		var batches net.Buffers
		for range pieces {
			batches = append(batches, make([]byte, size))
		}
		resp.batches[0] = append(resp.batches[0], batches)
	}
	resp.Topics = []kmsg.FetchResponseTopic{topic}
	return resp
}

// joined is the response with its batches in it.
func joined(f *fetchResponse) *kmsg.FetchResponse {
	out := *f.FetchResponse
	out.Topics = nil
	for i, topic := range f.Topics {
		topic.Partitions = append([]kmsg.FetchResponseTopicPartition(nil), topic.Partitions...)
		for k := range topic.Partitions {
			topic.Partitions[k].RecordBatches = append([]byte{}, bytes.Join(f.batches[i][k], nil)...)
		}
		out.Topics = append(out.Topics, topic)
	}
	return &out
}

// someFetchResponse has batches of all lengths where their prefix grows, of bytes that say nothing, in one piece or more.
func someFetchResponse(rnd *rand.Rand, version int16) *fetchResponse {
	sizes := []int{0, 1, 126, 127, 128, vectorBytesMin - 1, vectorBytesMin, 16382, 16383, 16384, 70_000}
	resp := &fetchResponse{FetchResponse: kmsg.NewPtrFetchResponse()}
	resp.Version, resp.SessionID = version, rnd.Int32()
	for i := range rnd.IntN(5) {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = string(randomBytes(rnd, rnd.IntN(200)))
		copy(topic.TopicID[:], randomBytes(rnd, 16))
		resp.batches = append(resp.batches, nil)
		for n := range rnd.IntN(6) {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.HighWatermark, p.RecordBatches = int32(n), rnd.Int64(), []byte{}
			resp.batches[i] = append(resp.batches[i], cutUp(rnd, randomBytes(rnd, sizes[rnd.IntN(len(sizes))])))
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

// cutUp gives pieces of b, some of them empty.
func cutUp(rnd *rand.Rand, b []byte) (pieces net.Buffers) {
	for len(b) > 0 {
		n := rnd.IntN(len(b) + 1)
		pieces, b = append(pieces, b[:n]), b[n:]
	}
	return pieces
}

func randomBytes(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}
