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

// encode gives the frame of a response, in pieces that follow each other: large batches of a Fetch are not copied into it. The
// header of ApiVersions is never flexible, so that a client can read it before it knows which versions there are.
//
// The response is encoded as any other, with a short marker in place of large batches. Then each marker, and the length before it, gives way
// to the batches and theirs. So no field or version is known here. Markers are drawn anew for each response: who names a topic
// that does not exist gets the name back, and must not be able to say one.
func (r *request) encode(resp kmsg.Response) net.Buffers {
	var marker [markerBytes]byte
	var large [][]byte
	if f, ok := resp.(*kmsg.FetchResponse); ok {
		rand.Read(marker[:])
		var unmark func()
		large, unmark = mark(f, marker[:])
		defer unmark()
	}
	b := make([]byte, 4, 256)
	b = binary.BigEndian.AppendUint32(b, uint32(r.correlation))
	if resp.IsFlexible() && r.api.key != kmsg.ApiVersions {
		b = append(b, 0)
	}
	frame, size := splice(resp.AppendTo(b), marker[:], large, resp.IsFlexible())
	binary.BigEndian.PutUint32(frame[0], uint32(size-4))
	return frame
}

// mark puts the marker in place of each large RecordBatches, and gives these in their order. unmark puts them back.
func mark(f *kmsg.FetchResponse, marker []byte) (large [][]byte, unmark func()) {
	var places []*[]byte
	for i := range f.Topics {
		for k := range f.Topics[i].Partitions {
			place := &f.Topics[i].Partitions[k].RecordBatches
			if len(*place) >= vectorBytesMin {
				places, large = append(places, place), append(large, *place)
				*place = marker
			}
		}
	}
	return large, func() {
		for i, place := range places {
			*place = large[i]
		}
	}
}

// splice puts the batches where the markers are in b, with their lengths: int32, or length + 1 as an unsigned varint.
func splice(b, marker []byte, large [][]byte, compact bool) (frame net.Buffers, size int) {
	if len(large) == 0 {
		return net.Buffers{b}, len(b)
	}
	prefix := 4
	if compact {
		prefix = 1
	}
	fields := make([]byte, 0, len(b)+binary.MaxVarintLen32*len(large)) // never grows: the pieces point into it
	for _, batches := range large {
		at := bytes.Index(b, marker)
		from := len(fields)
		fields = append(fields, b[:at-prefix]...)
		if compact {
			fields = binary.AppendUvarint(fields, uint64(len(batches))+1)
		} else {
			fields = binary.BigEndian.AppendUint32(fields, uint32(len(batches)))
		}
		frame = append(frame, fields[from:], batches)
		size += len(fields) - from + len(batches)
		b = b[at+len(marker):]
	}
	return append(frame, b), size + len(b)
}
