package ledger

import (
	"cmp"
	"slices"
	"sort"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// transaction is what a partition knows of a producer's open transaction.
type transaction struct {
	serial int64 // 0: none is open
	first  record.Offset
}

// Aborted is a transaction that was aborted: Last is the offset of its marker.
type Aborted struct {
	Producer    record.ProducerID
	First, Last record.Offset
}

// admits says whether a batch may be of this serial now.
//
// A batch that its own transaction's marker has overtaken is fenced by the serial, whatever its
// epoch: it would else open a transaction that nobody ends, or join the producer's next.
func (p *producer) admits(e *Entry) Kind {
	switch {
	case e.Serial == SerialUnknown:
		return Accepted
	case e.Serial > 0 && e.Serial <= p.closed && rule.On(rule.TxnSerial):
		return Fenced
	case p.open.serial > 0 && e.Serial != p.open.serial:
		return TxnState
	}
	return Accepted
}

// renew begins an epoch: its first batch has sequence 0.
func (p *producer) renew(epoch record.Epoch) {
	p.epoch, p.last, p.window = epoch, -1, p.window[:0]
}

// opened notes a transaction's first batch.
func (t *producers) opened(p *producer, serial int64, first record.Offset) {
	p.open = transaction{serial, first}
	t.open = append(t.open, p) // offsets grow, so the order is that of first
}

func (t *producers) ended(p *producer) {
	p.open = transaction{}
	t.open = slices.DeleteFunc(t.open, func(q *producer) bool { return q == p })
}

// mark folds a marker at a partition that it names.
//
// It takes an offset only where something is open. A producer that is not known here gets an entry all the
// same: its delayed first batch must find it. Where a newer epoch is known, the marker is of the past.
func (p *Partition) mark(m *Marker, rev coordination.Revision) {
	q := p.byID[m.Producer]
	switch {
	case q == nil:
		q = &producer{id: m.Producer}
		q.renew(m.Epoch)
		p.insert(q)
	case q.epoch > m.Epoch:
		return
	default:
		p.unlink(q)
		p.link(q)
	}
	if q.epoch < m.Epoch {
		q.renew(m.Epoch)
	}
	q.rev = rev
	q.closed = max(q.closed, m.Serial)
	if q.open.serial > 0 && q.open.serial <= m.Serial {
		p.end(q, m, rev)
	}
	if m.Bump {
		q.renew(m.Epoch + 1)
	}
}

// end gives the marker its offset.
func (p *Partition) end(q *producer, m *Marker, rev coordination.Revision) {
	batch := m.Batch()
	// Who bootstraps from a head that DeleteRecords has written finds commits of before the log start after it: what ended there is forgotten.
	if !m.Commit && p.next >= p.logStart {
		p.aborted = append(p.aborted, Aborted{q.id, q.open.first, p.next})
	}
	p.fresh = append(p.fresh, Span{Length: record.MarkerBytes, Base: p.next, End: p.next + 1, MaxTimestamp: m.Timestamp, Revision: rev, Inline: &batch})
	p.next++
	p.ended(q)
}

// LastStable is the end of what read_committed readers see: where the first open transaction begins.
func (p *Partition) LastStable() record.Offset {
	if len(p.open) == 0 {
		return p.next
	}
	return max(p.open[0].open.first, p.LogStart())
}

// AbortedIn lists the aborted transactions that overlap the offsets from from to below to, by first offset. Those
// that ended before Manifest().End are in the manifest.
func (p *Partition) AbortedIn(from, to record.Offset) (out []Aborted) {
	at := sort.Search(len(p.aborted), func(i int) bool { return p.aborted[i].Last >= from })
	for _, a := range p.aborted[at:] {
		if a.First < to {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b Aborted) int { return cmp.Compare(a.First, b.First) })
	return out
}

// IsOpen says whether the producer has a transaction open here.
func (p *Partition) IsOpen(id record.ProducerID) bool {
	q := p.byID[id]
	return q != nil && q.open.serial > 0
}

// forgetAborted drops what ended before the log start, and what the manifest keeps.
func forgetAborted(all []Aborted, logStart record.Offset, m *Manifest) []Aborted {
	if m != nil {
		logStart = max(logStart, m.End)
	}
	return all[sort.Search(len(all), func(i int) bool { return all[i].Last >= logStart }):]
}
