package ledger

import (
	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// What administrators ask of a partition. Nothing here changes state.

// Bytes is the size of what the partition refers to and what may still be read. A span counts whole as
// long as one record of it is at or above the log start, and so does the manifest.
func (p *Partition) Bytes() (n int64) {
	if m := p.manifest; m != nil && m.End > p.logStart {
		n = m.Bytes
	}
	for _, spans := range [2][]Span{p.stored, p.fresh} {
		for i := range spans {
			if spans[i].End > p.logStart {
				n += spans[i].Length
			}
		}
	}
	return n
}

// EachProducer calls fn for every producer that the partition knows, longest silent first.
func (t *producers) EachProducer(fn func(HeadProducer)) {
	for p := t.oldest; p != nil; p = p.newer {
		fn(HeadProducer{ID: p.id, Epoch: p.epoch, Last: p.last, Revision: p.rev, Closed: p.closed, OpenSerial: p.open.serial, OpenFirst: p.open.first, window: p.window})
	}
}

// Appended is one of the last batches that a partition remembers of a producer.
type Appended struct {
	First, Last int32 // sequences
	Base        record.Offset
}

// Window gives the batches that are remembered of this producer, oldest first.
func (p *HeadProducer) Window() []Appended {
	out := make([]Appended, len(p.window))
	for i, s := range p.window {
		out[i] = Appended{s.first, s.last, s.base}
	}
	return out
}

// WindowMax is how many batches of a producer are remembered at most.
const WindowMax = windowMax

// AbortedListed gives the aborted transactions that the head lists, in the order in which they ended. They must not be changed.
func (p *Partition) AbortedListed() []Aborted { return p.aborted }

// Fresh gives the spans of commits that the head does not cover yet. They must not be changed.
func (p *Partition) Fresh() []Span { return p.fresh }

// Dirty is how many partitions have commits that their heads do not cover.
func (l *Ledger) Dirty() int { return len(l.dirty) }

// Unsettled is what lies in segments still, in bytes that may be read, and the time of the oldest of these segments.
func (l *Ledger) Unsettled() (bytes int64, oldest coordination.Mark) {
	for _, p := range l.partitions {
		for _, spans := range [2][]Span{p.stored, p.fresh} {
			for i := range spans {
				s := &spans[i]
				if s.Settled() || s.Inline != nil || s.End <= p.logStart {
					continue
				}
				if at := coordination.MarkOf(s.Segment); bytes == 0 || at < oldest {
					oldest = at
				}
				bytes += s.Length
			}
		}
	}
	return bytes, oldest
}
