package ledger

import (
	"encoding/binary"

	"github.com/firnlog/firnlog/core/record"
)

// How a head writes its references: the manifest and the spans. The layout is in the comment of Head.

const (
	spanStored byte = iota
	spanAbort
	spanCommit
	spanSettled
	spanForeign
)

const (
	manifestNone byte = iota
	manifestOwn
	manifestForeign
)

func spanKind(s *Span) byte {
	switch {
	case s.Inline != nil && s.Inline.Commit:
		return spanCommit
	case s.Inline != nil:
		return spanAbort
	case s.Place == InSegment:
		return spanStored
	case s.Owner == record.TopicPartition{}:
		return spanSettled
	}
	return spanForeign
}

func appendSpans(b []byte, spans []Span) []byte {
	b = binary.AppendUvarint(b, uint64(len(spans)))
	end, stamp := record.Offset(0), int64(0)
	for i := range spans {
		s := &spans[i]
		kind := spanKind(s)
		b = append(b, kind)
		b = binary.AppendUvarint(b, uint64(s.Base-end))
		b = binary.AppendVarint(b, s.MaxTimestamp-stamp)
		if kind >= spanSettled {
			b = append(b, byte(s.Place), s.Tier)
		}
		if kind == spanForeign {
			b = appendOwner(b, s.Owner)
		}
		fields := []int64{s.Position, s.Length, int64(s.End - s.Base)}
		if m := s.Inline; m != nil {
			fields = []int64{int64(m.Producer), int64(m.Epoch), int64(m.CoordinatorEpoch)}
		} else {
			b = append(b, s.Segment[:]...)
		}
		for _, v := range fields {
			b = binary.AppendUvarint(b, uint64(v))
		}
		end, stamp = s.End, s.MaxTimestamp
	}
	return b
}

func readSpans(r *reader) []Span {
	spans := make([]Span, r.count(6))
	end, stamp := record.Offset(0), int64(0)
	for i := range spans {
		spans[i] = readSpan(r, end, stamp)
		end, stamp = spans[i].End, spans[i].MaxTimestamp
	}
	return spans
}

func readSpan(r *reader, end record.Offset, stamp int64) Span {
	kind := r.byte()
	s := Span{Base: end + record.Offset(r.int63()), MaxTimestamp: stamp + r.int()}
	switch kind {
	case spanSettled, spanForeign:
		if s.Place, s.Tier = Place(r.byte()), r.byte(); s.Place == InSegment || s.Place >= places {
			r.fail()
		}
		if kind == spanForeign {
			s.Owner = readOwner(r)
		}
		fallthrough
	case spanStored:
		s.Segment, s.Position, s.Length = r.id(), r.int63(), r.int63()
		s.End = s.Base + record.Offset(r.int63())
	case spanAbort, spanCommit:
		s.Length, s.End = record.MarkerBytes, s.Base+1
		s.Inline = &record.Marker{
			Producer: record.ProducerID(r.int63()), Epoch: record.Epoch(r.int15()), Commit: kind == spanCommit, CoordinatorEpoch: r.int31(), Timestamp: s.MaxTimestamp,
		}
	default:
		r.fail()
	}
	return s
}

func appendManifest(b []byte, m *Manifest) []byte {
	switch {
	case m == nil:
		return append(b, manifestNone)
	case m.Owner == record.TopicPartition{}:
		b = append(append(b, manifestOwn), m.ID[:]...)
	default:
		b = appendOwner(append(append(b, manifestForeign), m.ID[:]...), m.Owner)
	}
	for _, v := range []int64{int64(m.Base), int64(m.End - m.Base), m.Bytes, m.Objects} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return binary.AppendVarint(b, m.MaxTimestamp)
}

func readManifest(r *reader) *Manifest {
	kind := r.byte()
	switch kind {
	case manifestNone:
		return nil
	case manifestOwn, manifestForeign:
	default:
		r.fail()
		return nil
	}
	m := &Manifest{ID: r.id()}
	if kind == manifestForeign {
		m.Owner = readOwner(r)
	}
	m.Base = record.Offset(r.int63())
	m.End = m.Base + record.Offset(r.int63())
	m.Bytes, m.Objects, m.MaxTimestamp = r.int63(), r.int63(), r.int()
	return m
}

func appendOwner(b []byte, tp record.TopicPartition) []byte {
	return binary.AppendUvarint(append(b, tp.Topic[:]...), uint64(tp.Partition))
}

func readOwner(r *reader) (tp record.TopicPartition) {
	copy(tp.Topic[:], r.bytes(len(tp.Topic)))
	tp.Partition = r.int31()
	return tp
}
