package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Revision is told of every revision of the KV, in order.
func (j *Judge) Revision(rev coordination.Revision, events []coordination.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	events = slices.DeleteFunc(slices.Clone(events), func(e coordination.Event) bool {
		return len(e.Key) < len(j.keys.Log()) || e.Key[:len(j.keys.Log())] != j.keys.Log()
	})
	if len(events) == 0 || j.blind {
		return
	}
	j.rev = rev
	j.own(events)
	if j.shipped == nil {
		j.create(rev, events)
	} else if err := j.shipped.Apply(rev, events, ledger.Observer{Commit: j.commit}); err != nil {
		j.bad("fold", "", "revision %d: %v", rev, err)
	}
	for i := range events {
		if e := &events[i]; j.keys.ParseLog(e.Key).Family == coordination.FamilyTopic {
			j.topic(j.keys.ParseLog(e.Key).Name, e)
		}
	}
	if rev%j.every == 0 && j.shipped != nil {
		j.digests[rev] = j.digestsOf(j.shipped)
		j.sampled = rev
	}
}

// create begins the shipped fold at the transaction that brings the cluster into being.
func (j *Judge) create(rev coordination.Revision, events []coordination.Event) {
	loader := ledger.NewLoader(j.keys)
	var items []coordination.Item
	for _, e := range events {
		items = append(items, coordination.Item{Key: e.Key, Value: e.Value, Create: rev, Mod: rev})
	}
	err := loader.Add(items)
	if err == nil {
		j.shipped, err = loader.Done(rev, ledger.Observer{})
	}
	if err != nil {
		j.bad("fold", "", "creation at revision %d: %v", rev, err)
	}
}

// own looks at events without the shipped fold.
func (j *Judge) own(events []coordination.Event) {
	created := 0
	for i := range events {
		e := &events[i]
		key := j.keys.ParseLog(e.Key)
		switch key.Family {
		case coordination.FamilyStamp:
			j.stamp = j.mark(e, j.stamp)
		case coordination.FamilyFloor:
			j.floor = j.mark(e, j.floor)
		case coordination.FamilyHead:
			if !e.IsDelete() {
				j.head(e)
			}
		case coordination.FamilyCommit:
			if e.IsDelete() {
				delete(j.commits, e.Key)
			} else {
				j.commits[e.Key] = true
			}
			if e.IsCreate() {
				created++
			}
		}
	}
	if created > 1 {
		j.bad("one commit a revision", events[0].Key, "revision %d creates %d commit keys: their order is not defined", events[0].Revision, created)
	}
}

func (j *Judge) mark(e *coordination.Event, before coordination.Mark) coordination.Mark {
	m, err := coordination.ParseMark(e.Value)
	if err != nil || m < before {
		j.bad("marks grow", e.Key, "from %d to %d (%v)", before, m, err)
	}
	return m
}

// head: every object that a head names is there.
func (j *Judge) head(e *coordination.Event) {
	j.counts.Heads++
	h, err := ledger.DecodeHead(e.Value)
	if err != nil {
		j.bad("fold", e.Key, "%v", err)
		return
	}
	key := j.keys.ParseLog(e.Key)
	tp := record.TopicPartition{Topic: key.Topic, Partition: key.Partition}
	j.begins(j.log(tp), h.LogStart)
	j.refers(e.Key, tp, h)
}

// topic keeps the judge's own table of topics, after the commits of the same revision.
func (j *Judge) topic(name string, e *coordination.Event) {
	if old, ok := j.topics[name]; ok {
		delete(j.topics, name)
		delete(j.alive, old)
	}
	if e.IsDelete() {
		return
	}
	t, err := ledger.DecodeTopic(name, e.Value, e.Revision)
	if err != nil {
		j.bad("fold", e.Key, "%v", err)
		return
	}
	j.policy(t)
	j.topics[name], j.alive[t.ID], j.existed[t.ID] = t.ID, t.Partitions, true
}

// commit is one commit as the shipped fold decided it.
func (j *Judge) commit(id ulid.ULID, rev coordination.Revision, c *ledger.Commit, outcomes [][]ledger.Outcome) {
	j.counts.Commits++
	key := j.keys.Commit(id)
	for _, s := range c.Segments {
		if j.objects[s.ID] == nil {
			j.bad("reference to a missing object", s.ID.String(), "commit %s refers to it", key)
			return
		}
		if before, ok := j.segments[s.ID]; ok {
			j.bad("one segment committed twice", s.ID.String(), "by %s and again by %s at revision %d", before, key, rev)
		}
		j.segments[s.ID] = key
	}
	for i := range c.Runs {
		run := &c.Runs[i]
		body := j.objects[c.Segments[run.Segment].ID]
		at := run.Position
		for k := range run.Entries {
			e := &run.Entries[k]
			if at+e.Bytes > int64(len(body)) {
				j.bad("bytes", key, "run of %v ends at %d in an object of %d", run.Partition, at+e.Bytes, len(body))
				return
			}
			j.entry(run.Partition, rev, body[at:at+e.Bytes], e.Serial, outcomes[i][k])
			at += e.Bytes
		}
	}
	for i := range c.Markers {
		j.marker(&c.Markers[i], rev)
	}
	for _, x := range c.Expiries {
		p := j.log(x.Partition)
		if m := p.producers[x.Producer]; m != nil && m.rev == x.Revision && m.open == 0 {
			delete(p.producers, x.Producer)
			j.counts.Expired++
		}
	}
}

// entry is one idempotent batch, or some plain ones together.
func (j *Judge) entry(tp record.TopicPartition, rev coordination.Revision, body []byte, serial int64, out ledger.Outcome) {
	for b, err := range record.Batches(body) {
		if err != nil {
			j.bad("bytes", nameOf(tp), "run of %v: %v", tp, err)
			return
		}
		h, err := record.Check(b)
		s := j.sent[h.FirstTimestamp]
		if err != nil || s == nil || s.CRC != h.CRC || s.Partition != tp {
			j.bad("bytes", nameOf(tp), "a batch of %v is not as any client sent it (uid %d, %v)", tp, h.FirstTimestamp, err)
			return
		}
		j.counts.Batches++
		if (serial > 0) != (s.Transaction != nil) {
			j.bad("bytes", nameOf(tp), "uid %d of %v has serial %d", s.UID, tp, serial)
		}
		j.decided(tp, rev, s, serial, out)
		if out.Kind == ledger.Accepted {
			out.Base += record.Offset(s.Records)
		}
	}
}

// decided compares the outcome of one batch with the judge's own opinion.
func (j *Judge) decided(tp record.TopicPartition, rev coordination.Revision, s *Sent, serial int64, out ledger.Outcome) {
	p := j.log(tp)
	m := p.producers[s.Producer]
	want := j.opinion(m, s, serial)
	j.note(p.name, fmt.Sprintf("revision %d: uid %d, producer %d epoch %d sequence %d: outcome %d at %d", rev, s.UID, s.Producer, s.Epoch, s.Sequence, out.Kind, out.Base))
	switch {
	case out.Kind == ledger.Old && !s.appended:
		j.bad("locked out", p.name, "uid %d (producer %d, sequence %d) of %v refused as old, but never appended", s.UID, s.Producer, s.Sequence, tp)
	case out.Kind == ledger.Accepted && s.appended:
		j.bad("appended twice", p.name, "uid %d (producer %d, sequence %d) of %v at %d and again at %d", s.UID, s.Producer, s.Sequence, tp, s.base, out.Base)
	case out.Kind == ledger.Duplicate && (!s.appended || s.base != out.Base):
		j.bad("duplicate of another", p.name, "uid %d of %v said to be at %d, it is at %d (appended %v)", s.UID, tp, out.Base, s.base, s.appended)
	case out.Kind == want, want == ledger.Duplicate && out.Kind == ledger.Old:
	case want == ledger.Duplicate && out.Kind == ledger.Fenced && serial > 0 && serial <= m.closed && p.since(s) >= remembered:
		// Its transaction has ended, and it is no longer remembered: its client has had its answer long ago.
	case s.Producer == record.NoProducer:
		j.bad("innocent batch refused", p.name, "plain uid %d of %v: outcome %d", s.UID, tp, out.Kind)
	default:
		j.bad("outcome", p.name, "uid %d (producer %d, epoch %d, sequence %d) of %v: %d, should be %d", s.UID, s.Producer, s.Epoch, s.Sequence, tp, out.Kind, want)
	}
	if out.Kind != ledger.Accepted {
		return
	}
	if out.Base != p.next {
		j.bad("contiguous offsets", p.name, "uid %d of %v at %d, the next offset is %d", s.UID, tp, out.Base, p.next)
	}
	s.base, s.appended, s.at = out.Base, true, time.Now()
	p.next = out.Base + record.Offset(s.Records)
	p.batches = append(p.batches, s)
	if s.Producer != record.NoProducer {
		if m == nil {
			m = &memo{}
			p.producers[s.Producer] = m
		}
		m.epoch, m.next, m.rev = s.Epoch, s.Sequence+s.Records, rev
		m.begin(s, serial)
	}
}

// remembered is how many batches of a producer a partition knows by heart, as Kafka does.
const remembered = 5

// since counts the batches of a producer that were appended after s.
func (p *partitionLog) since(s *Sent) (n int) {
	for i := len(p.batches) - 1; i >= 0 && p.batches[i] != s; i-- {
		if o := p.batches[i]; o.UID >= 0 && o.Producer == s.Producer {
			n++
		}
	}
	return n
}

// opinion is what should become of a batch.
func (j *Judge) opinion(m *memo, s *Sent, serial int64) ledger.Kind {
	switch {
	case !j.has(s.Partition):
		return ledger.NoTopic
	case s.Producer == record.NoProducer:
		return ledger.Accepted
	case m == nil && s.Sequence == 0:
		return ledger.Accepted
	case m == nil:
		return ledger.UnknownProducer
	case s.Epoch < m.epoch:
		return ledger.Fenced
	case s.appended:
		return ledger.Duplicate
	case serial > 0 && serial <= m.closed:
		return ledger.Fenced
	case m.open > 0 && serial != m.open:
		return ledger.TxnState
	case s.Epoch > m.epoch && s.Sequence == 0, s.Epoch == m.epoch && s.Sequence == m.next:
		return ledger.Accepted
	}
	return ledger.OutOfOrder
}
