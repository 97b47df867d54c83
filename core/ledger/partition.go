package ledger

import (
	"slices"
	"sort"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
)

// Partition is one partition's state as of the ledger's revision.
type Partition struct {
	name     record.TopicPartition
	next     record.Offset
	logStart record.Offset
	producers
	aborted  []Aborted // in the order in which they ended; those that ended before the manifest's end are in it
	manifest *Manifest // of what was settled for good
	stored   []Span    // references of the head: everything up to asOf
	fresh    []Span    // references of commits after asOf
	asOf     coordination.Revision
	headMod  coordination.Revision // mod revision of the head's key; 0: there is none
	dirty    coordination.Revision // of the first commit after asOf that names this partition; 0: none
	touched  coordination.Revision // of the last one
}

// Next is the offset that the next record gets: the high watermark.
func (p *Partition) Next() record.Offset { return p.next }

// LogStart is the first offset that may be read.
func (p *Partition) LogStart() record.Offset { return min(p.logStart, p.next) }

// AsOf is the revision up to which the head in etcd covers this partition.
func (p *Partition) AsOf() coordination.Revision { return p.asOf }

// HeadMod is the mod revision of the head's key, 0 without one.
func (p *Partition) HeadMod() coordination.Revision { return p.headMod }

// DirtySince is the revision of the first commit that names this partition and is not covered by
// its head; 0 when the head covers all.
func (p *Partition) DirtySince() coordination.Revision { return p.dirty }

// Classify tells what the fold would decide about a batch now, without changing anything. Only Fenced
// and Duplicate may be answered from it: more stream cannot turn them.
func (p *Partition) Classify(e *Entry) Outcome {
	if e.Producer == record.NoProducer {
		return Outcome{Accepted, -1}
	}
	return p.classify(e)
}

// fold applies one run at a revision and gives the outcome of each entry.
func (p *Partition) fold(run *Run, segment ulid.ULID, rev coordination.Revision, outcomes []Outcome) {
	open := false // the last span is this run's and has no hole behind it
	position := run.Position
	refused := !foldsPerBatch() && p.refusesAny(run)
	for i := range run.Entries {
		e := &run.Entries[i]
		out := Outcome{Accepted, -1}
		if e.Producer != record.NoProducer {
			out = p.classify(e)
		}
		if refused {
			out = Outcome{OutOfOrder, -1}
		}
		if out.Kind == Accepted {
			out.Base = p.accept(e, rev)
			if open {
				p.extend(e)
			} else {
				p.fresh = append(p.fresh, Span{Segment: segment, Position: position, Length: e.Bytes, Base: out.Base, End: p.next, MaxTimestamp: e.MaxTimestamp, Revision: rev})
			}
		}
		open = out.Kind == Accepted
		outcomes[i] = out
		position += e.Bytes
	}
}

func (p *Partition) accept(e *Entry, rev coordination.Revision) record.Offset {
	base := p.next
	p.next += record.Offset(e.Records)
	if e.Producer != record.NoProducer {
		p.append(e, base, rev)
	}
	return base
}

func (p *Partition) extend(e *Entry) {
	s := &p.fresh[len(p.fresh)-1]
	s.Length += e.Bytes
	s.End = p.next
	s.MaxTimestamp = max(s.MaxTimestamp, e.MaxTimestamp)
}

// refusesAny says whether one batch of the run would be refused (only without rule BatchOutcome).
func (p *Partition) refusesAny(run *Run) bool {
	head, err := DecodeHead(p.Head(0).Encode())
	if err != nil {
		return true
	}
	try := head.partition(p.name, 0)
	for i := range run.Entries {
		e := &run.Entries[i]
		if k := try.Classify(e).Kind; k != Accepted && k != Duplicate {
			return true
		} else if k == Accepted {
			try.accept(e, 0)
		}
	}
	return false
}

// refer takes the references of a head event and leaves folded state alone:
// what the head covers is replaced by what it names, what came after stays.
func (p *Partition) refer(h *Head, mod coordination.Revision) {
	p.headMod = mod
	p.logStart = max(p.logStart, h.LogStart)
	p.manifest, p.stored = h.Manifest, h.Spans
	p.aborted = forgetAborted(p.aborted, p.logStart, p.manifest)
	p.asOf = h.AsOf
	if p.touched <= h.AsOf {
		p.dirty = 0
	} else if p.dirty <= h.AsOf {
		p.dirty = h.AsOf + 1
	}
	keep := sort.Search(len(p.fresh), func(i int) bool { return p.fresh[i].Revision > h.AsOf })
	p.fresh = append([]Span(nil), p.fresh[keep:]...)
}

// Head is the partition as a checkpoint writes it, as of a revision that the ledger has folded.
func (p *Partition) Head(asOf coordination.Revision) *Head {
	h := &Head{AsOf: asOf, Next: p.next, LogStart: p.logStart, Aborted: append([]Aborted(nil), p.aborted...), Manifest: p.manifest}
	h.dropManifest()
	for q := p.oldest; q != nil; q = q.newer {
		h.Producers = append(h.Producers, HeadProducer{
			ID: q.id, Epoch: q.epoch, Last: q.last, Revision: q.rev, Closed: q.closed, OpenSerial: q.open.serial, OpenFirst: q.open.first,
			window: append([]seen(nil), q.window...),
		})
	}
	for _, spans := range [2][]Span{p.stored, p.fresh} {
		for _, s := range spans {
			if s.End > p.logStart {
				h.Spans = append(h.Spans, s)
			}
		}
	}
	return h
}

func anyRefused(out []Outcome) bool {
	return slices.ContainsFunc(out, func(o Outcome) bool { return o.Kind != Accepted })
}

func fill(out []Outcome, k Kind) {
	for i := range out {
		out[i] = Outcome{k, -1}
	}
}
