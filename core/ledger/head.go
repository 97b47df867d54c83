package ledger

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// Head is a partition's folded state in etcd, as of its last checkpoint. Its
// value, where n is an unsigned and z a signed varint:
//
//	version    1 byte, 1
//	as-of n, next n, log start n
//	producers  n, oldest first, each: id n, epoch n, last sequence + 1 n, revision n, closed serial n, open serial n (0: none),
//	           with one open its first offset n, window n, then each: first n, last n, base n
//	aborted    n, in the order in which they ended, each: producer n, first n, last n (difference to the last before)
//	manifest   1 byte, 0 none, 1 this partition's, 2 another's; then: id 16 bytes, another's: topic 16 bytes, partition n;
//	           base n, end n (difference to base), bytes n, objects n, max timestamp z
//	spans      n, in order of offsets, each: kind 1 byte (0 in a segment, 1 abort marker, 2 commit marker, 3 settled, 4 settled in
//	           another partition's folder), base n (difference to the end before), max timestamp z (difference to the span before),
//	           settled: place 1 byte, tier 1 byte, in another's folder: topic 16 bytes, partition n
//	           settled or in a segment: object 16 bytes, position n, length n, offsets n
//	           marker: producer n, epoch n, coordinator epoch n
type Head struct {
	// AsOf: every record of this partition up to this revision is in this state, and its bytes are in Spans.
	AsOf      coordination.Revision
	Next      record.Offset
	LogStart  record.Offset
	Producers []HeadProducer // in the order last heard of, oldest first
	Aborted   []Aborted      // in the order in which they ended
	Manifest  *Manifest      // nil: nothing was settled for good
	Spans     []Span
}

// HeadProducer is what a head remembers of one producer.
type HeadProducer struct {
	ID       record.ProducerID
	Epoch    record.Epoch
	Last     int32 // -1: nothing of this epoch
	Revision coordination.Revision
	// Closed: transactions up to this serial have ended.
	Closed int64
	// OpenSerial and OpenFirst are of the open transaction; 0: there is none.
	OpenSerial int64
	OpenFirst  record.Offset
	window     []seen
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
		b = appendProducer(b, &h.Producers[i])
	}
	b = binary.AppendUvarint(b, uint64(len(h.Aborted)))
	last := record.Offset(0)
	for _, a := range h.Aborted {
		for _, v := range []int64{int64(a.Producer), int64(a.First), int64(a.Last - last)} {
			b = binary.AppendUvarint(b, uint64(v))
		}
		last = a.Last
	}
	b = appendManifest(b, h.Manifest)
	return appendSpans(b, h.Spans)
}

func appendProducer(b []byte, p *HeadProducer) []byte {
	for _, v := range []int64{int64(p.ID), int64(p.Epoch), int64(p.Last) + 1, int64(p.Revision), p.Closed, p.OpenSerial} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	if p.OpenSerial > 0 {
		b = binary.AppendUvarint(b, uint64(p.OpenFirst))
	}
	b = binary.AppendUvarint(b, uint64(len(p.window)))
	for _, s := range p.window {
		for _, v := range []int64{int64(s.first), int64(s.last), int64(s.base)} {
			b = binary.AppendUvarint(b, uint64(v))
		}
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
	h.Producers = make([]HeadProducer, r.count(7))
	for i := range h.Producers {
		h.Producers[i] = readProducer(r)
	}
	h.Aborted = make([]Aborted, r.count(3))
	last := record.Offset(0)
	for i := range h.Aborted {
		a := Aborted{Producer: record.ProducerID(r.int63()), First: record.Offset(r.int63())}
		last += record.Offset(r.int63())
		a.Last = last
		h.Aborted[i] = a
	}
	h.Manifest = readManifest(r)
	h.Spans = readSpans(r)
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("decode head: %w", err)
	}
	return h, nil
}

func readProducer(r *reader) HeadProducer {
	p := HeadProducer{ID: record.ProducerID(r.int63()), Epoch: record.Epoch(r.int15())}
	last := r.int63()
	if last > 1<<31 {
		r.fail()
	}
	p.Last, p.Revision = int32(last-1), coordination.Revision(r.int63())
	if p.Closed, p.OpenSerial = r.int63(), r.int63(); p.OpenSerial > 0 {
		p.OpenFirst = record.Offset(r.int63())
	}
	p.window = make([]seen, r.count(3))
	for k := range p.window {
		p.window[k] = seen{r.int31(), r.int31(), record.Offset(r.int63())}
	}
	return p
}

// partition is the state that a bootstrap begins with.
func (h *Head) partition(name record.TopicPartition, mod coordination.Revision) *Partition {
	p := &Partition{name: name, next: h.Next, logStart: h.LogStart, manifest: h.Manifest, stored: h.Spans, asOf: h.AsOf, headMod: mod, aborted: append([]Aborted(nil), h.Aborted...)}
	for i := range h.Producers {
		q := &h.Producers[i]
		known := &producer{id: q.ID, epoch: q.Epoch, last: q.Last, rev: q.Revision, closed: q.Closed, window: append([]seen(nil), q.window...)}
		p.add(known) // whatever their number: the cap counts where one is folded in
		if q.OpenSerial > 0 {
			p.opened(known, q.OpenSerial, q.OpenFirst)
		}
	}
	slices.SortFunc(p.open, func(a, b *producer) int { return cmp.Compare(a.open.first, b.open.first) })
	return p
}

// Truncate moves the log start up and drops references to what lies wholly before it.
func (h *Head) Truncate(before record.Offset) {
	h.LogStart = max(h.LogStart, before)
	kept := h.Spans[:0:0]
	for _, s := range h.Spans {
		if s.End > h.LogStart {
			kept = append(kept, s)
		}
	}
	h.Spans = kept
	h.dropManifest()
	h.Aborted = forgetAborted(h.Aborted, h.LogStart, h.Manifest)
}

// dropManifest forgets a manifest of nothing that may still be read.
func (h *Head) dropManifest() {
	if h.Manifest != nil && h.Manifest.End <= h.LogStart {
		h.Manifest = nil
	}
}

// LastStable is where the first transaction that is open as of this head begins, or the end.
func (h *Head) LastStable() record.Offset {
	stable := h.Next
	for i := range h.Producers {
		if p := &h.Producers[i]; p.OpenSerial > 0 {
			stable = min(stable, p.OpenFirst)
		}
	}
	return stable
}
