package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// Head is a partition's folded state in etcd, as of its last checkpoint. Its
// value, where n is an unsigned and z a signed varint:
//
//	version    1 byte, 1
//	as-of n, next n, log start n
//	producers  n, oldest first, each: id n, epoch n, last sequence n, revision n, window n, then each: first n, last n, base n
//	spans      n, in order of offsets, each: segment 16 bytes, position n, length n, base n (difference to the end before),
//	           records n, max timestamp z (difference to the span before)
type Head struct {
	// AsOf: every record of this partition up to this revision is in this state, and its bytes are in Spans.
	AsOf      coordination.Revision
	Next      record.Offset
	LogStart  record.Offset
	Producers []HeadProducer // in the order last heard of, oldest first
	Spans     []Span
}

// HeadProducer is what a head remembers of one producer.
type HeadProducer struct {
	ID       record.ProducerID
	Epoch    record.Epoch
	Last     int32
	Revision coordination.Revision
	window   []seen
}

const headVersion = 1

// Encode gives the value of the head's key.
func (h *Head) Encode() []byte {
	b := make([]byte, 1, 64+len(h.Spans)*32+len(h.Producers)*32)
	b[0] = headVersion
	for _, v := range []int64{int64(h.AsOf), int64(h.Next), int64(h.LogStart), int64(len(h.Producers))} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	for i := range h.Producers {
		p := &h.Producers[i]
		for _, v := range []int64{int64(p.ID), int64(p.Epoch), int64(p.Last), int64(p.Revision), int64(len(p.window))} {
			b = binary.AppendUvarint(b, uint64(v))
		}
		for _, s := range p.window {
			for _, v := range []int64{int64(s.first), int64(s.last), int64(s.base)} {
				b = binary.AppendUvarint(b, uint64(v))
			}
		}
	}
	b = binary.AppendUvarint(b, uint64(len(h.Spans)))
	end, stamp := record.Offset(0), int64(0)
	for i := range h.Spans {
		s := &h.Spans[i]
		b = append(b, s.Segment[:]...)
		for _, v := range []int64{s.Position, s.Length, int64(s.Base - end), int64(s.End - s.Base)} {
			b = binary.AppendUvarint(b, uint64(v))
		}
		b = binary.AppendVarint(b, s.MaxTimestamp-stamp)
		end, stamp = s.End, s.MaxTimestamp
	}
	return b
}

// DecodeHead reads the value of a head's key. ErrFormat: its version is not known here.
func DecodeHead(value []byte) (*Head, error) {
	r := &reader{b: value}
	if v := r.byte(); r.err == nil && v != headVersion {
		return nil, fmt.Errorf("decode head: version %d: %w", v, ErrFormat)
	}
	h := &Head{AsOf: coordination.Revision(r.int63()), Next: record.Offset(r.int63()), LogStart: record.Offset(r.int63())}
	h.Producers = make([]HeadProducer, r.count(5))
	for i := range h.Producers {
		p := HeadProducer{ID: record.ProducerID(r.int63()), Epoch: record.Epoch(r.int15()), Last: r.int31(), Revision: coordination.Revision(r.int63())}
		p.window = make([]seen, r.count(3))
		for k := range p.window {
			p.window[k] = seen{r.int31(), r.int31(), record.Offset(r.int63())}
		}
		h.Producers[i] = p
	}
	h.Spans = make([]Span, r.count(21))
	end, stamp := record.Offset(0), int64(0)
	for i := range h.Spans {
		s := Span{Segment: r.id(), Position: r.int63(), Length: r.int63()}
		s.Base = end + record.Offset(r.int63())
		s.End = s.Base + record.Offset(r.int63())
		stamp += r.int()
		s.MaxTimestamp = stamp
		end = s.End
		h.Spans[i] = s
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("decode head: %w", err)
	}
	return h, nil
}

// partition is the state that a bootstrap begins with.
func (h *Head) partition(name record.TopicPartition, mod coordination.Revision) *Partition {
	p := &Partition{name: name, next: h.Next, logStart: h.LogStart, stored: h.Spans, asOf: h.AsOf, headMod: mod}
	for i := range h.Producers {
		q := &h.Producers[i]
		p.insert(&producer{id: q.ID, epoch: q.Epoch, last: q.Last, rev: q.Revision, window: append([]seen(nil), q.window...)})
	}
	return p
}

// Truncate moves the log start up and drops spans that lie wholly before it.
func (h *Head) Truncate(before record.Offset) {
	h.LogStart = max(h.LogStart, before)
	kept := h.Spans[:0:0]
	for _, s := range h.Spans {
		if s.End > h.LogStart {
			kept = append(kept, s)
		}
	}
	h.Spans = kept
}
