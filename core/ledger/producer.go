package ledger

import (
	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

const (
	// windowMax is how many batches of a producer are remembered for duplicates: Kafka's
	// max.in.flight.requests.per.connection bound for idempotence.
	windowMax = 5
	// producersMax is how many producers a partition remembers. It is part of the
	// format: the fold forgets the one least recently heard of.
	producersMax = 10_000
	// sequenceMask keeps sequences in 0..2^31-1, where they wrap.
	sequenceMask = 1<<31 - 1
)

// Kind is what the fold decided about a batch.
type Kind uint8

// The outcomes of a batch.
const (
	// Accepted at Base.
	Accepted Kind = iota
	// Duplicate of the batch at Base.
	Duplicate
	// Old: appended so long ago that its offset is forgotten.
	Old
	// OutOfOrder: sequences before it are missing, or a new epoch does not begin at 0.
	OutOfOrder
	// UnknownProducer: nothing is known of the producer, and it does not begin at 0.
	UnknownProducer
	// Fenced: a newer epoch has been seen, or the batch's transaction has ended.
	Fenced
	// TxnState: the producer has another transaction open, or the batch is of none while one is open.
	TxnState
	// NoTopic: the topic was deleted earlier in the stream.
	NoTopic
	// Covered: the head was already past this commit, so the fold did not decide here.
	Covered
)

// Outcome is the fold's decision about one entry of a commit. Base is -1 where there is none.
type Outcome struct {
	Kind Kind
	Base record.Offset
}

// seen is one remembered batch.
type seen struct {
	first, last int32
	base        record.Offset
}

// producer is what a partition knows of one idempotent producer. The links keep
// all producers of a partition in the order in which they were last heard of.
type producer struct {
	id           record.ProducerID
	epoch        record.Epoch
	last         int32 // sequence of the last record appended; -1: none of this epoch
	rev          coordination.Revision
	window       []seen // oldest first
	closed       int64  // transactions up to this serial have ended
	open         transaction
	older, newer *producer
}

// producers is the table of a partition: by id, in order of last use, and those with an open transaction
// in the order in which these began.
type producers struct {
	byID           map[record.ProducerID]*producer
	oldest, newest *producer
	open           []*producer
}

func (t *producers) unlink(p *producer) {
	if p.older != nil {
		p.older.newer = p.newer
	} else {
		t.oldest = p.newer
	}
	if p.newer != nil {
		p.newer.older = p.older
	} else {
		t.newest = p.older
	}
	p.older, p.newer = nil, nil
}

func (t *producers) link(p *producer) {
	p.older = t.newest
	if t.newest != nil {
		t.newest.newer = p
	} else {
		t.oldest = p
	}
	t.newest = p
}

// insert adds a producer as the newest and forgets the oldest beyond the cap. One with
// an open transaction is never forgotten: nobody could end it then.
func (t *producers) insert(p *producer) {
	t.add(p)
	for q := t.oldest; len(t.byID) > producersMax && q != p; {
		next := q.newer
		if q.open.serial == 0 {
			t.remove(q)
		}
		q = next
	}
}

// add adds a producer as the newest.
func (t *producers) add(p *producer) {
	if t.byID == nil {
		t.byID = map[record.ProducerID]*producer{}
	}
	t.byID[p.id] = p
	t.link(p)
}

func (t *producers) remove(p *producer) {
	t.unlink(p)
	delete(t.byID, p.id)
}

// first is any producer: whichever the map gives (only without rule FoldsStreamAlone).
func (t *producers) first() (p *producer) {
	for _, p = range t.byID {
		break
	}
	return p
}

// classify decides about a batch of an idempotent producer without changing anything.
//
// A producer that is not known must begin at sequence 0. Kafka takes any
// sequence then; here a batch may have overtaken its predecessor through another
// instance, and taking it would lock the predecessor out for ever.
func (t *producers) classify(e *Entry) Outcome {
	p := t.byID[e.Producer]
	if p == nil {
		if e.Sequence != 0 && rule.On(rule.BeginAtZero) {
			return Outcome{UnknownProducer, -1}
		}
		return Outcome{Accepted, -1}
	}
	if !rule.On(rule.FoldsStreamAlone) && t.first() != p {
		return Outcome{OutOfOrder, -1}
	}
	if e.Epoch < p.epoch {
		return Outcome{Fenced, -1}
	}
	last := lastSequence(e)
	for _, s := range p.window {
		if e.Epoch == p.epoch && s.first == e.Sequence && s.last == last {
			return Outcome{Duplicate, s.base}
		}
	}
	if k := p.admits(e); k != Accepted {
		return Outcome{k, -1}
	}
	if e.Epoch > p.epoch {
		if e.Sequence != 0 {
			return Outcome{OutOfOrder, -1}
		}
		return Outcome{Accepted, -1}
	}
	switch {
	case e.Sequence == (p.last+1)&sequenceMask:
		return Outcome{Accepted, -1}
	case (p.last-last)&sequenceMask < 1<<30 && (last-e.Sequence)&sequenceMask < 1<<30:
		return Outcome{Old, -1} // all of it was appended; one that goes on beyond was not
	}
	return Outcome{OutOfOrder, -1}
}

// append remembers an accepted batch at base.
func (t *producers) append(e *Entry, base record.Offset, rev coordination.Revision) {
	p := t.byID[e.Producer]
	switch {
	case p == nil:
		p = &producer{id: e.Producer}
		t.insert(p)
	default:
		t.unlink(p)
		t.link(p)
	}
	if e.Epoch != p.epoch {
		p.renew(e.Epoch)
	}
	if e.Serial > 0 && p.open.serial == 0 {
		t.opened(p, e.Serial, base)
	}
	if len(p.window) == windowMax {
		copy(p.window, p.window[1:])
		p.window = p.window[:windowMax-1]
	}
	p.last, p.rev = lastSequence(e), rev
	p.window = append(p.window, seen{e.Sequence, p.last, base})
}

// expire forgets a producer if nothing touched it after rev and it has no transaction open.
func (t *producers) expire(id record.ProducerID, rev coordination.Revision) {
	if p := t.byID[id]; p != nil && p.rev == rev && p.open.serial == 0 {
		t.remove(p)
	}
}

func lastSequence(e *Entry) int32 {
	return int32((int64(e.Sequence) + e.Records - 1) & sequenceMask)
}

// EachIdle calls fn for every producer without an open transaction that was not heard of after rev, longest silent first.
func (t *producers) EachIdle(rev coordination.Revision, fn func(id record.ProducerID, last coordination.Revision)) {
	for p := t.oldest; p != nil && p.rev <= rev; p = p.newer {
		if p.open.serial == 0 {
			fn(p.id, p.rev)
		}
	}
}
