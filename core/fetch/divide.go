package fetch

import (
	"container/heap"

	"github.com/firnlog/firnlog/core/cache"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// How the room of an answer is divided between partitions that together have more:
//
//	settled   objects are of one partition, or a stretch of each: in the order of the request each partition gets all that it asks for, while
//	          there is room. The others answer empty; sessions rotate. It is their part of the room, and what segments leave of theirs.
//	segments  hold something of many partitions, and are loaded whole. So each partition gets the span it is at, and then who is at the oldest
//	          segment goes forward. They all come through the same segments together: one is needed by one answer, or by two where it
//	          does not end with an answer. Who is far behind comes up by as much as it asks for in each answer, and the others go on meanwhile.
//
// The first of each kind is planned in any case: the first partition of a request that has data gives a batch, whatever the limits (KIP-74).
//
// Rejected:
//   - In the order of the request for segments, too. With 1,000 partitions each segment was needed by twenty answers, and was out of the
//     cache before the last of them: three readers took three GETs for each segment.
//   - Equal shares of the room. Who has little in each segment runs away from the others.

// division is what is to be divided: partitions with something to read, in the order of the request.
type division struct {
	settled, segments []*share
}

// share is what one partition gets.
type share struct {
	*plan
	state *ledger.Partition
	next  ledger.Span // to be added
	bytes int64       // about how many are planned
	past  int         // spans of the past
}

// spansMax is how many spans of the past one partition gets of several: as many segments as an answer may load, and what may have been
// read ahead.
const spansMax = objectsMax + aheadMax

// add takes in a partition with something to read.
func (d *division) add(state *ledger.Partition, p *plan) {
	s := &share{plan: p, state: state}
	if m := state.Manifest(); m != nil && p.from < min(m.End, p.end) {
		p.manifest = m
	}
	if some := s.seek(s.planned()); p.manifest != nil || some && s.next.Settled() {
		d.settled = append(d.settled, s)
	} else if some {
		d.segments = append(d.segments, s)
	}
}

// divide notes what holds the bytes that each partition gets, and what is aborted there as of the same revision: what ended before
// a manifest's end is for its entries to say.
func (f *Fetcher) divide(l *ledger.Ledger, d *division, room int64) {
	room -= f.divideSegments(l, d.segments, room*int64(len(d.segments))/int64(max(len(d.settled)+len(d.segments), 1)))
	for i, s := range d.settled {
		if room <= 0 && i > 0 {
			s.manifest = nil // nothing of it is read this time
			continue
		}
		for more := s.seek(s.planned()); more; {
			more = f.take(l, s)
		}
		if room -= s.bytes; s.manifest != nil {
			room -= max(int64(s.BytesMax)-s.bytes, 0)
		}
	}
	for _, of := range [][]*share{d.settled, d.segments} {
		for _, s := range of {
			s.sequential = f.trail.has(s.TopicPartition, s.Offset)
			if end := s.planned(); s.committed && end > s.from {
				s.aborted = s.state.AbortedIn(s.from, min(end, s.end))
			}
		}
	}
}

// divideSegments says how much of the room is used.
func (f *Fetcher) divideSegments(l *ledger.Ledger, segments []*share, room int64) (used int64) {
	var open byAge
	for i, s := range segments {
		if used >= room && i > 0 {
			break
		}
		if more := f.take(l, s); more {
			open = append(open, s)
		}
		used += s.bytes
	}
	heap.Init(&open)
	for len(open) > 0 && used < room {
		s := open[0]
		had := s.bytes
		if more := f.take(l, s); !more || s.past >= spansMax && len(segments) > 1 {
			heap.Pop(&open)
		} else {
			heap.Fix(&open, 0)
		}
		used += s.bytes - had
	}
	return used
}

// planned is the offset up to which is planned.
func (s *share) planned() record.Offset {
	switch {
	case len(s.spans) > 0:
		return s.spans[len(s.spans)-1].End
	case s.manifest != nil:
		return s.manifest.End
	}
	return s.from
}

// seek finds the span to be added.
func (s *share) seek(at record.Offset) (some bool) {
	if at >= s.end {
		return false
	}
	next, ok := s.state.SpanAt(at)
	s.next = next
	return ok && next.Base < s.end
}

// take adds the next span; false: it was the last, or the partition has all that it asks for.
func (f *Fetcher) take(l *ledger.Ledger, s *share) (more bool) {
	heat := f.heatOf(l, &s.next)
	s.bytes += s.holds(&s.next)
	if s.spans, s.heat = append(s.spans, s.next), append(s.heat, heat); heat == cache.Cold {
		s.past++
	}
	return s.bytes < int64(max(s.BytesMax, 1)) && s.seek(s.next.End)
}

// holds is about how many bytes a span has from where is read. Nothing is promised of the settled one in which reading begins: its bytes
// need not be spread evenly over its offsets.
func (s *share) holds(span *ledger.Span) int64 {
	switch {
	case span.Settled() && len(s.spans) == 0:
		return 0
	case span.Base >= s.from:
		return span.Length
	}
	return behind(span, s.from)
}

// behind is about how many bytes a span has from an offset within it on.
func behind(span *ledger.Span, from record.Offset) int64 {
	return int64(float64(span.Length) * float64(span.End-from) / float64(span.End-span.Base))
}

// byAge is a heap of those that may go forward: at its top is who is at the oldest segment.
type byAge []*share

func (h byAge) Len() int           { return len(h) }
func (h byAge) Less(i, j int) bool { return h[i].next.Segment.Compare(h[j].next.Segment) < 0 }
func (h byAge) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byAge) Push(x any)        { *h = append(*h, x.(*share)) }
func (h *byAge) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
