package wire

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// vectorBytesMin is from which length on batches are sent from where they lie; less is cheaper to copy.
	vectorBytesMin = 4 << 10
	// markerBytes is below 127, so that its compact length is one byte.
	markerBytes = 16
)

// fetchResponse is a response beside its batches, which stay where they lie: in the cache, as a rule. They are never changed.
type fetchResponse struct {
	*kmsg.FetchResponse                 // its RecordBatches are empty
	batches             [][]net.Buffers // of each partition of each topic of the response
}

// encode gives the frame of a response, in pieces that follow each other: large batches of a Fetch are not copied into it. The
// header of ApiVersions is never flexible, so that a client can read it before it knows which versions there are.
//
// The response is encoded as any other, with a short marker in place of large batches. Then each marker, and the length before it, gives way
// to the batches and theirs. So no field or version is known here. Markers are drawn anew for each response: who names a topic
// that does not exist gets the name back, and must not be able to say one.
func (r *request) encode(resp kmsg.Response) (frame net.Buffers, size int) {
	var marker [markerBytes]byte
	var large []net.Buffers
	f, _ := resp.(*fetchResponse)
	if f != nil {
		rand.Read(marker[:])
		large = f.mark(marker[:])
	}
	b := make([]byte, 4, 256+f.smallBytes())
	b = binary.BigEndian.AppendUint32(b, uint32(r.correlation))
	if resp.IsFlexible() && r.api.key != kmsg.ApiVersions {
		b = append(b, 0)
	}
	frame, size = splice(resp.AppendTo(b), marker[:], large, resp.IsFlexible())
	binary.BigEndian.PutUint32(frame[0], uint32(size-4))
	return frame, size
}

// mark puts the marker where large batches belong, which it gives in their order, and small batches where they belong.
func (f *fetchResponse) mark(marker []byte) (large []net.Buffers) {
	for i := range f.Topics {
		for k := range f.Topics[i].Partitions {
			p, batches := &f.Topics[i].Partitions[k], f.batches[i][k]
			switch size := sizeOf(batches); {
			case size >= vectorBytesMin:
				large = append(large, batches)
				p.RecordBatches = marker
			case len(batches) == 1:
				p.RecordBatches = batches[0]
			case size > 0:
				p.RecordBatches = bytes.Join(batches, nil)
			}
		}
	}
	return large
}

// smallBytes is about how long the encoded response will be: growing it step by step would cost as much again.
func (f *fetchResponse) smallBytes() (size int) {
	if f == nil {
		return 0
	}
	for i := range f.Topics {
		for k := range f.Topics[i].Partitions {
			size += len(f.Topics[i].Partitions[k].RecordBatches) + 128
		}
	}
	return size
}

func sizeOf(b net.Buffers) (size int) {
	for _, piece := range b {
		size += len(piece)
	}
	return size
}

// splice puts the batches where the markers are in b, with their lengths: int32, or length + 1 as an unsigned varint.
func splice(b, marker []byte, large []net.Buffers, compact bool) (frame net.Buffers, size int) {
	if len(large) == 0 {
		return net.Buffers{b}, len(b)
	}
	prefix := 4
	if compact {
		prefix = 1
	}
	pieces := len(large) + 1
	for _, batches := range large {
		pieces += len(batches)
	}
	frame = make(net.Buffers, 0, pieces)
	fields := make([]byte, 0, len(b)+binary.MaxVarintLen32*len(large)) // never grows: the pieces point into it
	for _, batches := range large {
		at := bytes.Index(b, marker)
		from, length := len(fields), sizeOf(batches)
		fields = append(fields, b[:at-prefix]...)
		if compact {
			fields = binary.AppendUvarint(fields, uint64(length)+1)
		} else {
			fields = binary.BigEndian.AppendUint32(fields, uint32(length))
		}
		frame = append(append(frame, fields[from:]), batches...)
		size += len(fields) - from + length
		b = b[at+len(marker):]
	}
	return append(frame, b), size + len(b)
}
