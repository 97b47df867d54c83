package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// transaction is one transaction as its client sees it. The judge alone looks at its fields.
type transaction struct {
	id      string // transactional id
	batches []*Sent
	told    fate // what its client was told
}

// fate is what a transaction's end made of a batch.
type fate int

const (
	undecided fate = iota
	committed
	aborted
)

func (f fate) String() string { return [...]string{"undecided", "committed", "aborted"}[f] }

func fateOf(commit bool) fate {
	if commit {
		return committed
	}
	return aborted
}

// begin notes that a batch was appended in a transaction.
func (m *memo) begin(s *Sent, serial int64) {
	if serial == 0 {
		return
	}
	m.open = serial
	m.parts = append(m.parts, s)
}

// marker folds a marker by the judge's own rules.
func (j *Judge) marker(mk *ledger.Marker, rev coordination.Revision) {
	for _, tp := range mk.Partitions {
		if !j.has(tp) {
			continue
		}
		p := j.log(tp)
		m := p.producers[mk.Producer]
		if m == nil {
			m = &memo{epoch: mk.Epoch}
			p.producers[mk.Producer] = m
		}
		if m.epoch > mk.Epoch {
			continue
		}
		if m.epoch < mk.Epoch {
			m.epoch, m.next = mk.Epoch, 0
		}
		m.rev, m.closed = rev, max(m.closed, mk.Serial)
		if m.open > 0 && m.open <= mk.Serial {
			j.ended(p, m, mk)
		}
		if mk.Bump {
			m.epoch, m.next = mk.Epoch+1, 0
		}
	}
}

// ended gives the marker its offset and each batch its fate: that of all others of its transaction.
func (j *Judge) ended(p *partitionLog, m *memo, mk *ledger.Marker) {
	batch := mk.Batch()
	h, _ := record.ReadHeader(batch.Batch())
	p.batches = append(p.batches, &Sent{UID: -1, Partition: p.tp, Records: 1, CRC: h.CRC, Producer: mk.Producer, base: p.next, appended: true, bytes: int64(h.Size), at: time.Now(), parts: m.parts})
	p.next++
	for _, s := range m.parts {
		s.fate = fateOf(mk.Commit)
		for _, other := range s.Transaction.batches {
			if other.fate != undecided && other.fate != s.fate {
				j.bad("torn transaction", p.name, "uid %d is %v, uid %d of the same transaction of %q %v", s.UID, s.fate, other.UID, other.fate, s.Transaction.id)
				return
			}
		}
		if s.Transaction.told != undecided && s.Transaction.told != s.fate {
			j.bad("torn transaction", p.name, "uid %d is %v after its client was told %v", s.UID, s.fate, s.Transaction.told)
			return
		}
	}
	m.open, m.parts = 0, nil
}

// Begun notes that a client will send a batch in a transaction.
func (j *Judge) Begun(t *transaction, s *Sent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s.Transaction = t
	t.batches = append(t.batches, s)
}

// ToldEnded: a client was told that its transaction has ended. With a commit all that was acknowledged is
// there; in neither case does anything stay undecided.
func (j *Judge) ToldEnded(t *transaction, commit bool, acked []int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	t.told = fateOf(commit)
	j.counts.Transactions++
	for _, s := range t.batches {
		switch {
		case !j.has(s.Partition):
		case s.appended && s.fate != t.told:
			j.bad("torn transaction", nameOf(s.Partition), "uid %d is %v though the end of %q was told to be %v", s.UID, s.fate, t.id, t.told)
			return
		case commit && !s.appended && slices.Contains(acked, s.UID):
			j.bad("torn transaction", nameOf(s.Partition), "uid %d of %q was acknowledged and committed, and is not there", s.UID, t.id)
			return
		}
	}
}

// ReadCommitted checks what a consumer makes of a fetch: it drops what is aborted, and keeps only what was committed.
func (j *Judge) ReadCommitted(who string, from record.Offset, r *fetch.Result) {
	j.mu.Lock()
	defer j.mu.Unlock()
	dropping := map[record.ProducerID]bool{}
	ahead := r.Aborted
	for b, err := range record.Batches(r.Batches) {
		if err != nil {
			return // Read says so
		}
		h, _ := record.ReadHeader(b)
		for ; len(ahead) > 0 && ahead[0].First <= h.LastOffset(); ahead = ahead[1:] {
			dropping[ahead[0].Producer] = true
		}
		if h.IsControl() {
			if m, err := record.ReadMarker(b); err == nil && !m.Commit {
				delete(dropping, m.Producer)
			}
			continue
		}
		s := j.sent[h.MaxTimestamp]
		if s == nil || !h.IsTransactional() || h.Records == 0 {
			continue
		}
		if want := fateOf(!dropping[h.Producer]); s.fate != want {
			j.bad("aborted or early read", nameOf(r.TopicPartition), "%s: uid %d at %d of %v is %v, a consumer takes it for %v; from %d, aborted %v", who, s.UID, h.BaseOffset, r.TopicPartition, s.fate, want, from, r.Aborted)
			return
		}
	}
}

// NothingOpen: some time after all clients have gone and time-outs have passed, no transaction is open.
func (j *Judge) NothingOpen() {
	if what := j.Open(); what != "" {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.bad("hanging transaction", "", "%s", what)
	}
}

// Open describes a transaction that is open; "": there is none.
func (j *Judge) Open() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	for tp, p := range j.logs {
		for id, m := range p.producers {
			if m.open > 0 && j.has(tp) {
				return fmt.Sprintf("producer %d, serial %d is open in %v from uid %d on", id, m.open, tp, m.parts[0].UID)
			}
		}
	}
	return ""
}
