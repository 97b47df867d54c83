package sim

import (
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// aged compares a reference of a topic that is or was compacted with what was appended: what is missing had to go.
func (j *Judge) aged(p *partitionLog, s *ledger.Span, body []byte) error {
	at := p.from(s.Base)
	for b, err := range record.Batches(body[s.Position : s.Position+s.Length]) {
		if err != nil {
			return err
		}
		h, err := record.Check(b)
		if err != nil {
			return err
		}
		for ; at < len(p.batches) && p.batches[at].base < h.BaseOffset; at++ {
			if err := j.missing(p, at); err != nil {
				return err
			}
		}
		if at == len(p.batches) || p.batches[at].base != h.BaseOffset || h.LastOffset() >= s.End {
			return fmt.Errorf("a batch from %d to %d, where none was appended or none belongs", h.BaseOffset, h.LastOffset())
		}
		if err := j.present(p, at, b, h); err != nil {
			return err
		}
		at++
	}
	for ; at < len(p.batches) && p.batches[at].base < s.End; at++ {
		if err := j.missing(p, at); err != nil {
			return err
		}
	}
	return nil
}

// names notes what a head refers to: what has been replaced does not come back.
func (j *Judge) names(p *partitionLog, key string, now map[named]bool) {
	for n := range now {
		if p.left[n] {
			j.bad("a record came back", key, "a reference to %v at offset %d is there again", n.id, n.base)
		}
	}
	for n := range p.named {
		if !now[n] {
			p.left[n] = true
		}
	}
	p.named = now
}

// named is a reference of a head, or of its manifest.
type named struct {
	id       ulid.ULID
	position int64
	base     record.Offset
}

// Asks: somebody asks for the deletion of all records below an offset.
func (j *Judge) Asks(tp record.TopicPartition, before record.Offset) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.log(tp)
	p.asked = max(p.asked, before)
}

// Retains: retention is about to move a log start, by a clock that shows now.
func (j *Judge) Retains(id record.TopicID, partition int32, to record.Offset, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.log(record.TopicPartition{Topic: id, Partition: partition})
	if old, ok := p.retained[to]; !ok || now.After(old) {
		p.retained[to] = now
	}
}

// begins: a head says where its log begins. It only grows, as far as DeleteRecords was asked for, or by what has expired.
func (j *Judge) begins(p *partitionLog, to record.Offset) {
	before := p.begin
	if to < before {
		j.bad("log start went back", p.name, "from %d to %d", before, to)
	}
	p.begin = max(to, before)
	now, ok := p.retained[to]
	if ok && to > before && j.moved != nil {
		j.moved(p.tp, to)
	}
	if to <= max(before, p.asked) {
		return
	}
	policy := j.policies[p.tp.Topic]
	if !ok || policy == nil {
		j.bad("retained too little", p.name, "the log start is moved to %d, and nobody has decided that", to)
		return
	}
	j.counts.Retained++
	if s := p.tooEarly(max(before, p.asked), to, policy, now); s != nil {
		j.bad("retained too little", p.name, "log start from %d to %d at %d: uid %d at %d is younger than that, and %d bytes follow; configs %v", before, to, now.UnixMilli(), s.UID, s.base,
			p.bytesFrom(s.base+record.Offset(s.Records), policy.compacted), policy.Configs)
	}
}

// tooEarly finds a batch that neither retention.ms nor retention.bytes lets go. What expires is an object as a whole, with its newest
// timestamp: so each of its batches has expired by then.
func (p *partitionLog) tooEarly(from, to record.Offset, t *policies, now time.Time) *Sent {
	age, timed := topic.RetentionTime(t.Topic)
	size, sized := topic.RetentionSize(t.Topic)
	for _, s := range p.batches[p.from(from):p.from(to)] {
		switch {
		case s.isMarker(), s.isGone():
		case timed && now.UnixMilli()-s.UID > age.Milliseconds():
		case sized && p.bytesFrom(s.base+record.Offset(s.Records), t.compacted) >= size:
		default:
			return s
		}
	}
	return nil
}

// rewrittenMax is by how much a record may have grown where log compaction has rewritten its batch: with a delete horizon, timestamps are
// counted from that, and are longer.
const rewrittenMax = 10

// bytesFrom is how much there may be from an offset on: what was appended, and what rewriting may have added.
func (p *partitionLog) bytesFrom(at record.Offset, rewritten bool) (n int64) {
	for _, s := range p.batches[p.from(at):] {
		if n += s.bytes; rewritten {
			n += rewrittenMax * int64(s.Records)
		}
	}
	return n
}

// Overdue describes a partition whose first reference expired longer than slack ago; "": there is none.
func (j *Judge) Overdue(slack time.Duration) (what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.shipped.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
		policy := j.policies[tp.Topic]
		if policy == nil || !j.has(tp) {
			return
		}
		age, timed := topic.RetentionTime(policy.Topic)
		first, ok := j.first(p)
		if expired := time.UnixMilli(first.MaxTimestamp).Add(age + slack); ok && timed && expired.Before(time.Now()) {
			what = fmt.Sprintf("%v from %d on: should have gone at %v", tp, p.LogStart(), expired.Add(-slack))
		}
	})
	return what
}

// Walking describes a partition whose compaction has begun and not come to its end; "": there is none.
func (j *Judge) Walking() (what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.shipped.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
		policy, m := j.policies[tp.Topic], p.Manifest()
		if policy == nil || m == nil || j.roots[m.ID] == nil || !j.has(tp) || !topic.IsCompacted(policy.Topic) {
			return
		}
		if c := j.roots[m.ID].Compaction; c.Through > max(c.Clean, p.LogStart()) {
			what = fmt.Sprintf("%v is clean up to %d, a walk through %d has done %d", tp, c.Clean, c.Through, c.Done)
		}
	})
	return what
}

// NothingWalking: some time after all faults have healed, each walk has come to its end.
func (j *Judge) NothingWalking() {
	if what := j.Walking(); what != "" {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.bad("compaction stuck", "", "%s", what)
	}
}

// first is the first reference of a partition that is settled: others are too young for retention to see.
func (j *Judge) first(p *ledger.Partition) (ledger.Span, bool) {
	if m := p.Manifest(); m != nil && m.End > p.LogStart() {
		root := j.roots[m.ID]
		for i := range root.Pages {
			for _, e := range j.pages[root.Pages[i].ID] {
				if e.End > p.LogStart() {
					return e.Span, true
				}
			}
		}
		for i := range root.Entries {
			if root.Entries[i].End > p.LogStart() {
				return root.Entries[i].Span, true
			}
		}
	}
	for _, s := range p.Stored() {
		if s.End > p.LogStart() {
			return s, true
		}
	}
	return ledger.Span{}, false
}

// NothingOverdue: some time after all faults have healed, retention has caught up.
func (j *Judge) NothingOverdue(slack time.Duration) {
	if what := j.Overdue(slack); what != "" {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.bad("retained too long", "", "%s", what)
	}
}

// Compacted and Chilled count what the jobs say that they did.
func (j *Judge) Compacted(groups int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts.Groups += groups
}

// Chilled objects were moved to cold storage.
func (j *Judge) Chilled(objects int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts.Chilled += objects
}
