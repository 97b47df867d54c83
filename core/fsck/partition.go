package fsck

import (
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// part is what a snapshot says of one partition.
type part struct {
	tp     record.TopicPartition
	name   string
	state  *ledger.Partition
	spans  []ledger.Span // of the head, then of later commits
	digest uint64        // of all that is checked
}

func (s *snapshot) part(tp record.TopicPartition) *part {
	if !s.ledger.Has(tp) {
		return nil
	}
	p := s.ledger.Partition(tp)
	return &part{tp: tp, name: s.name(tp), state: p, spans: slices.Concat(p.Stored(), p.Fresh()), digest: p.Digest()}
}

// name is how people know a partition.
func (s *snapshot) name(tp record.TopicPartition) string {
	if t, ok := s.ledger.TopicByID(tp.Topic); ok {
		return fmt.Sprintf("%s/%d", t.Name, tp.Partition)
	}
	return fmt.Sprintf("%v/%d", tp.Topic, tp.Partition)
}

// extents follows the offsets from the log start to the end: every reference begins where the one before ends.
type extents struct {
	*found
	at, start record.Offset
	last      record.Offset // end of the reference before, for those below the log start
}

// next takes a reference. what names it.
func (x *extents) next(base, end record.Offset, what string) {
	if base < 0 || end <= base {
		x.add(HeadRange, "%s stands for offsets %d to %d", what, base, end)
		return
	}
	if x.last > base {
		x.add(Overlap, "%s begins at offset %d, the reference before ends at %d", what, base, x.last)
	}
	x.last = max(x.last, end)
	if end <= x.start {
		return
	}
	if at := max(x.at, x.start); base > at {
		x.add(Gap, "offsets %d to %d: nothing refers to them before %s", at, base-1, what)
	}
	x.at = max(x.at, end)
}

// done compares with the end of the partition.
func (x *extents) done(next record.Offset) {
	at := max(x.at, x.start)
	switch {
	case at < next:
		x.add(Gap, "offsets %d to %d: the references end before", at, next-1)
	case at > next:
		x.add(HeadRange, "references go up to offset %d, the end is %d", at, next)
	}
}

// head checks what a head says of itself, but for its references.
func (p *part) head(f *found, s *snapshot) {
	st := p.state
	h := s.heads[p.tp]
	if st.Next() < 0 || h.start < 0 || h.start > st.Next() {
		f.add(HeadRange, "log start %d, end %d", h.start, st.Next())
	}
	if st.AsOf() > h.mod {
		f.add(HeadRange, "as-of is revision %d, the head was written at %d", st.AsOf(), h.mod)
	}
	for i := range p.spans {
		s := &p.spans[i]
		if s.Inline == nil && (s.Position < 8 || s.Length < 0 || s.Length == 0 && !s.Settled() || s.Position+s.Length < 0) {
			f.add(HeadRange, "offsets %d to %d: %d bytes at %d of %s", s.Base, s.End, s.Length, s.Position, s.Key(p.tp))
		}
	}
	p.aborted(f)
	p.producers(f, s)
}

// aborted holds the list of aborted transactions against the markers that heads and commits keep inline.
func (p *part) aborted(f *found) {
	listed := p.state.AbortedListed()
	markers := map[ledger.Aborted]bool{}
	last := record.Offset(-1)
	for _, a := range listed {
		if a.First < 0 || a.First >= a.Last || a.Last >= p.state.Next() || a.Last <= last {
			f.add(AbortedList, "aborted transaction of producer %d at offsets %d to %d, after one that ends at %d; the end is %d", a.Producer, a.First, a.Last, last, p.state.Next())
		}
		last = a.Last
		markers[ledger.Aborted{Producer: a.Producer, Last: a.Last}] = false
	}
	from := p.state.LogStart()
	if m := p.state.Manifest(); m != nil {
		from = max(from, m.End)
	}
	for i := range p.spans {
		s := &p.spans[i]
		if s.Inline == nil || s.Base < from {
			continue
		}
		at := ledger.Aborted{Producer: s.Inline.Producer, Last: s.Base}
		_, isListed := markers[at]
		if s.Inline.Commit == isListed {
			f.add(AbortedList, "the marker of producer %d at offset %d says commit=%v, the list of aborted transactions says otherwise", s.Inline.Producer, s.Base, s.Inline.Commit)
		}
		markers[at] = true
	}
	for _, a := range listed {
		if a.Last < from || markers[ledger.Aborted{Producer: a.Producer, Last: a.Last}] {
			continue
		}
		if i := slices.IndexFunc(p.spans, func(s ledger.Span) bool { return s.Base <= a.Last && a.Last < s.End }); i >= 0 && !p.spans[i].Settled() {
			f.add(AbortedList, "aborted transaction of producer %d ends at offset %d, where there is no marker", a.Producer, a.Last)
		}
	}
}

const sequences = 1 << 31 // sequences go from 2^31-1 to 0

// producers checks what is remembered of each.
func (p *part) producers(f *found, s *snapshot) {
	p.state.EachProducer(func(q ledger.HeadProducer) {
		bad := func(format string, args ...any) {
			f.add(ProducerWindow, "producer %d: %s", q.ID, fmt.Sprintf(format, args...))
		}
		window := q.Window()
		if q.ID < 0 || q.Epoch < 0 || q.Last < -1 || len(window) > ledger.WindowMax || q.Revision > s.revision {
			bad("epoch %d, last sequence %d, %d batches, heard of at revision %d of %d", q.Epoch, q.Last, len(window), q.Revision, s.revision)
		}
		if q.OpenSerial > 0 && (q.OpenFirst < 0 || q.OpenFirst >= p.state.Next() || q.OpenSerial <= q.Closed) {
			bad("transaction %d is open from offset %d on, those through %d are closed, the end is %d", q.OpenSerial, q.OpenFirst, q.Closed, p.state.Next())
		}
		end := record.Offset(0)
		for i, w := range window {
			records := (int64(w.Last)-int64(w.First)+sequences)%sequences + 1
			if w.First < 0 || w.Last < 0 || w.Base < end || w.Base+record.Offset(records) > p.state.Next() {
				bad("sequences %d to %d at offset %d, after what ends at %d; the end is %d", w.First, w.Last, w.Base, end, p.state.Next())
			}
			if i == len(window)-1 && w.Last != q.Last {
				bad("last sequence %d, its last batch ends with %d", q.Last, w.Last)
			}
			end = w.Base + record.Offset(records)
		}
	})
}
