package ledger

import (
	"fmt"
	"sort"
	"strconv"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// Place says in which part of the bucket the object of a span lies.
type Place byte

// The places.
const (
	InSegment Place = iota // segments/<id>: as an instance flushed it; offsets follow from the span
	InShared               // settled/shared/<id>: settled, of many partitions
	InOwn                  // settled/<topic>/<partition>/<id>: settled, of one partition
	InCold                 // cold/<topic>/<partition>/<id>: as InOwn, in cheaper storage
	places
)

// Prefixes of the bucket.
const (
	SegmentPrefix  = "segments/"
	SharedPrefix   = "settled/shared/"
	SettledPrefix  = "settled/"
	ColdPrefix     = "cold/"
	ManifestPrefix = "manifests/"
)

// Span is contiguous accepted bytes of a partition in an object, or a transaction marker that is kept here. Base
// is the offset of its first record, End that after its last. MaxTimestamp in ms.
//
// The bytes of a settled span carry their offsets, and some in between may be gone (log compaction): such a span
// stands for all offsets from Base to End. In a segment the offsets are counted from Base.
type Span struct {
	Segment      ulid.ULID // id of the object, wherever it lies
	Place        Place
	Tier         uint8                 // how often these bytes were rewritten
	Owner        record.TopicPartition // whose folder it lies in, when that is another partition's (fork); else zero
	Position     int64
	Length       int64
	Base, End    record.Offset
	MaxTimestamp int64
	Revision     coordination.Revision // of the commit that brought it; 0 when a head did
	Inline       *record.Marker        // not nil: no segment, these are the bytes
}

// Settled says that the bytes carry their offsets.
func (s *Span) Settled() bool { return s.Place != InSegment }

// Key names the object that holds a span of partition tp; "" for a marker, which none does.
func (s *Span) Key(tp record.TopicPartition) string {
	if s.Inline != nil {
		return ""
	}
	if s.Owner != (record.TopicPartition{}) {
		tp = s.Owner
	}
	return ObjectKey(s.Place, tp, s.Segment)
}

// ObjectKey names an object in the bucket; tp counts for places with folders of partitions.
func ObjectKey(place Place, tp record.TopicPartition, id ulid.ULID) string {
	switch place {
	case InShared:
		return SharedPrefix + id.String()
	case InOwn:
		return Folder(SettledPrefix, tp) + id.String()
	case InCold:
		return Folder(ColdPrefix, tp) + id.String()
	}
	return SegmentKey(id)
}

// Folder is where below prefix the objects of one partition lie.
func Folder(prefix string, tp record.TopicPartition) string {
	return prefix + tp.Topic.String() + "/" + strconv.Itoa(int(tp.Partition)) + "/"
}

// SegmentKey names a segment in the bucket.
func SegmentKey(id ulid.ULID) string { return SegmentPrefix + id.String() }

// ParseSegmentKey gives the id of an object below SegmentPrefix.
func ParseSegmentKey(key string) (ulid.ULID, error) {
	if len(key) < len(SegmentPrefix) || key[:len(SegmentPrefix)] != SegmentPrefix {
		return ulid.ULID{}, fmt.Errorf("object %q is not below %s", key, SegmentPrefix)
	}
	id, err := ulid.ParseStrict(key[len(SegmentPrefix):])
	if err != nil {
		return id, fmt.Errorf("object %q: %w", key, err)
	}
	return id, nil
}

// Manifest refers to the object that lists what was settled for good: all of the partition before End. The
// spans of the head begin there or later.
type Manifest struct {
	ID           ulid.ULID
	Owner        record.TopicPartition // as a span's
	Base, End    record.Offset         // of what it lists
	Bytes        int64                 // of what it lists
	Objects      int64
	MaxTimestamp int64 // ms
}

// Key names the manifest's root object.
func (m *Manifest) Key(tp record.TopicPartition) string {
	if m.Owner != (record.TopicPartition{}) {
		tp = m.Owner
	}
	return ManifestKey(tp, m.ID)
}

// ManifestKey names an object of a manifest.
func ManifestKey(tp record.TopicPartition, id ulid.ULID) string {
	return Folder(ManifestPrefix, tp) + id.String()
}

// SpanAt gives the span that holds offset, or the first one after it. ok is false at or beyond Next. What lies
// before Manifest().End is for the manifest to say.
func (p *Partition) SpanAt(offset record.Offset) (Span, bool) {
	if s, ok := spanAt(p.stored, offset); ok {
		return s, true
	}
	return spanAt(p.fresh, offset)
}

func spanAt(spans []Span, offset record.Offset) (Span, bool) {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].End > offset })
	if i == len(spans) {
		return Span{}, false
	}
	return spans[i], true
}

// FirstSpan gives the first span at or after offset for which want holds, manifest not counted.
func (p *Partition) FirstSpan(offset record.Offset, want func(*Span) bool) (Span, bool) {
	for _, spans := range [2][]Span{p.stored, p.fresh} {
		for i := range spans {
			if spans[i].End > offset && want(&spans[i]) {
				return spans[i], true
			}
		}
	}
	return Span{}, false
}

// Stored gives the spans that the head names. They must not be changed, and stay as they are.
func (p *Partition) Stored() []Span { return p.stored }

// Manifest of what was settled for good; nil: nothing was. It must not be changed.
func (p *Partition) Manifest() *Manifest { return p.manifest }
