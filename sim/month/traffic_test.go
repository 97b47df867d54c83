package month_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/core/txn"
)

// client is one transactional id.
type client struct {
	id   string
	who  txn.Identity
	open *transaction
	left int // rounds that it stays open
}

// createTopics makes all topics: of each class some with a lot of traffic, and some with a trickle.
func (w *world) createTopics() {
	all := classes(w.bytes)
	for i := range w.scale.topics {
		s := &topicState{class: all[i%len(all)], name: fmt.Sprintf("%s-%d", all[i%len(all)].name, i), weight: 1}
		if n := i / len(all); n%5 == 0 {
			s.weight = 24
		} else if n%5 == 1 {
			s.weight = 6
		}
		w.topics = append(w.topics, s)
		w.create(s, int32(1+i%3))
	}
	for i := range 8 {
		w.txns = append(w.txns, &client{id: fmt.Sprint("tx-", i), who: txn.Identity{Producer: -1, Epoch: -1}})
	}
}

func (w *world) create(s *topicState, partitions int32) {
	w.t.Helper()
	made, err := w.any().admin.Create(w.t.Context(), topic.Spec{Name: s.name, Partitions: partitions, ReplicationFactor: -1, Configs: s.configs}, false)
	if err != nil {
		w.t.Fatal(err)
	}
	s.parts = nil
	for p := range partitions {
		part := &partition{TopicPartition: record.TopicPartition{Topic: made.ID, Partition: p}, topic: s, next: map[record.ProducerID]int32{}}
		s.parts = append(s.parts, part)
		for range s.weight {
			w.slots = append(w.slots, part)
		}
	}
	w.observe()
}

// traffic is what clients do in a round.
func (w *world) traffic() {
	w.t.Helper()
	var sent []*batch
	for range w.batches {
		sent = append(sent, w.plain(w.slots[w.dice.IntN(len(w.slots))]))
	}
	half := len(sent) / 2
	w.send(w.any(), sent[:half])
	w.send(w.any(), sent[half:])
	w.transactions()
}

// batch is one on its way.
type batch struct {
	to  *partition
	in  ingest.Incoming
	log []entry
}

// batch makes one of some records.
func (w *world) batch(p *partition, s record.Settings, t *transaction) *batch {
	b, out := record.NewBatch(s), &batch{to: p}
	now := time.Now().UnixMilli()
	for range 1 + w.dice.IntN(w.records) {
		w.count++
		key, value := p.topic.content(w.count)
		b.Append(now, key, value)
		out.log = append(out.log, entry{w.count, now, t})
	}
	sealed, err := b.Seal()
	if err != nil {
		w.t.Fatal(err)
	}
	out.in = ingest.Incoming{Partition: p.TopicPartition, Batch: sealed}
	return out
}

// plain is a batch outside of transactions: half of them idempotent, of a producer that lives for a day.
func (w *world) plain(p *partition) *batch {
	if w.dice.IntN(2) == 0 {
		return w.batch(p, record.Settings{}, nil)
	}
	id := record.ProducerID(1e9 + int64(time.Since(w.Start)/day)*1000 + int64(w.dice.IntN(3)))
	b := w.batch(p, record.Settings{Sequence: &record.Sequence{Producer: id, First: p.next[id]}}, nil)
	p.next[id] += int32(len(b.log))
	return b
}

// send produces, and notes the offsets that were acknowledged.
func (w *world) send(m *member, sent []*batch) {
	w.t.Helper()
	if len(sent) == 0 {
		return
	}
	var in []ingest.Incoming
	for _, b := range sent {
		in = append(in, b.in)
	}
	for i, base := range m.MustProduce(in...) {
		p := sent[i].to
		p.pad(base)
		if int(base) != len(p.log) {
			w.t.Fatalf("%s/%d: acknowledged at %d, the log is at %d", p.topic.name, p.Partition, base, len(p.log))
		}
		p.log = append(p.log, sent[i].log...)
		w.done.records += len(sent[i].log)
	}
}

// transactions begins some, and ends those whose time has come: most are committed, some aborted, some left to time out.
func (w *world) transactions() {
	w.t.Helper()
	for _, c := range w.txns {
		switch {
		case c.open != nil && c.left > 0:
			c.left--
		case c.open != nil: // it has timed out, or this aborts it
			c.over(false)
			w.done.aborted++
			c.who = w.begin(c.id, txn.Identity{Producer: -1, Epoch: -1})
		case w.dice.IntN(5) == 0:
			w.transact(c)
		}
	}
}

func (c *client) over(committed bool) {
	c.open.over, c.open.committed = true, committed
	c.open = nil
}

func (w *world) begin(id string, have txn.Identity) txn.Identity {
	w.t.Helper()
	who, err := w.any().Txns.Init(w.t.Context(), id, int32((10 * time.Minute).Milliseconds()), have)
	if err != nil {
		w.t.Fatal(err)
	}
	return who
}

// transact writes one transaction to some partitions.
func (w *world) transact(c *client) {
	w.t.Helper()
	if c.who.Producer < 0 {
		c.who = w.begin(c.id, c.who)
	}
	m := w.any()
	c.open = &transaction{}
	first := map[*partition]int32{}
	for range 2 {
		var sent []*batch
		for range 1 + w.dice.IntN(3) {
			p := w.slots[w.dice.IntN(len(w.slots))]
			if p.topic.churns || slices.ContainsFunc(sent, func(b *batch) bool { return b.to == p }) {
				continue
			}
			b := w.batch(p, record.Settings{Transactional: true, Sequence: &record.Sequence{Producer: c.who.Producer, Epoch: c.who.Epoch, First: first[p]}}, c.open)
			b.in.Transaction, b.in.Implicit = c.id, true
			first[p] += int32(len(b.log))
			sent = append(sent, b)
		}
		w.send(m, sent)
	}
	what := w.dice.IntN(10)
	switch {
	case len(first) == 0:
		c.open = nil // nothing to end
	case what == 0:
		c.left = 3
	case what < 3:
		w.end(m, c, false)
	default:
		w.end(m, c, true)
	}
}

func (w *world) end(m *member, c *client, commit bool) {
	w.t.Helper()
	who, err := m.Txns.End(w.t.Context(), c.id, c.who, commit, true)
	if err != nil {
		w.t.Fatal(err)
	}
	c.who = who
	c.over(commit)
	if !commit {
		w.done.aborted++
	}
}

// chaos is what happens now and then: records and topics are deleted, topics are created again, an instance is replaced.
func (w *world) chaos(hour int) {
	w.t.Helper()
	if hour%3 == 0 {
		w.deleteRecords(w.slots[w.dice.IntN(len(w.slots))])
	}
	if hour%7 == 0 {
		w.deleteTopic()
	}
	if hour%31 == 0 {
		w.replace(w.dice.IntN(len(w.members)))
	}
}

func (w *world) deleteRecords(p *partition) {
	w.t.Helper()
	if len(p.log) == 0 {
		return
	}
	before := p.deleted + record.Offset(w.dice.IntN(len(p.log)-int(p.deleted)+1))/4
	start, err := w.any().Upkeep.DeleteRecords(w.t.Context(), p.TopicPartition, before)
	if err != nil || start < before {
		w.t.Fatalf("delete records: log start %d, %v", start, err)
	}
	p.deleted = max(p.deleted, before)
	w.done.deletedRecords++
}

// deleteTopic deletes a topic, and creates another with its name.
func (w *world) deleteTopic() {
	w.t.Helper()
	var of []*topicState
	for _, s := range w.topics {
		if s.churns {
			of = append(of, s)
		}
	}
	if len(of) == 0 {
		return
	}
	s := of[w.dice.IntN(len(of))]
	if _, err := w.any().admin.Delete(w.t.Context(), s.name); err != nil {
		w.t.Fatal(err)
	}
	w.slots = slices.DeleteFunc(w.slots, func(p *partition) bool { return p.topic == s })
	w.observe()
	w.done.deletedTopics++
	w.create(s, int32(1+w.dice.IntN(3)))
}
