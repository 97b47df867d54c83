package fork_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

// topicModel is what a topic should hold.
type topicModel struct {
	id   record.TopicID
	logs [partitions]*logModel
}

type logModel struct {
	batches     []batchModel
	start, next record.Offset
}

// batchModel is a batch, or a marker: one without values.
type batchModel struct {
	base   record.Offset
	ms     int64
	values []string
	txn    *txnModel
}

// txnModel is a transaction.
type txnModel struct {
	committed, ended bool
	sent             map[record.TopicPartition]int32
	logs             map[*logModel]bool
}

func (b *batchModel) end() record.Offset { return b.base + record.Offset(max(len(b.values), 1)) }

// topic makes one.
func (f *fixture) topic(name string, configs ...string) *topicModel {
	f.t.Helper()
	m := &topicModel{id: f.CreateTopic(name, partitions, configs...)}
	for p := range m.logs {
		m.logs[p] = &logModel{}
	}
	f.topics[name] = m
	f.a.Barrier()
	return m
}

// produce writes a batch of some records, in the transaction of an id or in none.
func (f *fixture) produce(name string, p int32, records int, id string) {
	f.t.Helper()
	time.Sleep(3 * time.Millisecond)
	m := f.topics[name]
	var values []string
	for range records {
		values = append(values, f.value())
	}
	tp := record.TopicPartition{Topic: m.id, Partition: p}
	b := batchModel{ms: time.Now().UnixMilli() + int64(records) - 1, values: values}
	in := coretest.Plain(tp, values...)
	if id != "" {
		b.txn = f.begin(id)
		who := f.who[id]
		in = coretest.Transactional(id, tp, who.Producer, who.Epoch, b.txn.sent[tp], values...)
		b.txn.sent[tp] += int32(records)
		b.txn.logs[m.logs[p]] = true
	}
	b.base = f.a.MustProduce(in)[0]
	l := m.logs[p]
	if b.base != l.next {
		f.t.Fatalf("%s/%d: offset %d, want %d", name, p, b.base, l.next)
	}
	l.batches, l.next = append(l.batches, b), b.end()
}

// flush writes several batches at once, a millisecond apart: one span.
func (f *fixture) flush(name string, p int32, batches int) {
	f.t.Helper()
	l, tp := f.topics[name].logs[p], record.TopicPartition{Topic: f.topics[name].id, Partition: p}
	var all []ingest.Incoming
	for i := range batches {
		b := batchModel{base: l.next, ms: time.Now().UnixMilli() + int64(i), values: []string{f.value()}}
		l.batches, l.next = append(l.batches, b), b.end()
		all = append(all, coretest.Batch(tp, record.Settings{}, b.ms, b.values...))
	}
	f.a.MustProduce(all...)
	time.Sleep(time.Duration(batches) * time.Millisecond)
}

// begin gives the open transaction of an id.
func (f *fixture) begin(id string) *txnModel {
	f.t.Helper()
	if f.txns[id] == nil {
		who, err := f.a.Txns.Init(f.t.Context(), id, 600_000, txn.Identity{Producer: -1, Epoch: -1})
		if err != nil {
			f.t.Fatal(err)
		}
		f.who[id], f.txns[id] = who, &txnModel{sent: map[record.TopicPartition]int32{}, logs: map[*logModel]bool{}}
	}
	return f.txns[id]
}

// end ends the open transaction of an id, if there is one.
func (f *fixture) end(id string, commit bool) {
	f.t.Helper()
	t := f.txns[id]
	if t == nil {
		return
	}
	delete(f.txns, id)
	if _, err := f.a.Txns.End(f.t.Context(), id, f.who[id], commit, true); err != nil {
		f.t.Fatal(err)
	}
	f.a.Barrier()
	t.committed, t.ended = commit, true
	for l := range t.logs {
		l.batches = append(l.batches, batchModel{base: l.next, txn: t})
		l.next++
	}
}

// deleteTopic deletes one; transactions go on without it.
func (f *fixture) deleteTopic(name string) {
	m := f.topics[name]
	delete(f.topics, name)
	f.DeleteTopic(name, m.id)
	for _, t := range f.txns {
		for _, l := range m.logs {
			delete(t.logs, l)
		}
	}
	f.a.Barrier()
}

// fork gives what a fork at a time should hold.
func (m *topicModel) fork(id record.TopicID, at time.Time) *topicModel {
	out := &topicModel{id: id}
	for p, l := range m.logs {
		out.logs[p] = l.fork(at)
	}
	return out
}

func (l *logModel) fork(at time.Time) *logModel {
	out := &logModel{start: l.start, next: l.start}
	began := map[*txnModel]*txnModel{} // without a marker so far
	var order []*txnModel
	for _, b := range l.batches {
		if b.end() <= l.start { // with all of its transaction: see expire
			continue
		}
		if !at.IsZero() && b.values != nil && b.ms >= at.UnixMilli() && b.end() > l.start {
			break
		}
		if b.txn != nil && b.values == nil {
			delete(began, b.txn)
		} else if b.txn != nil && began[b.txn] == nil {
			began[b.txn] = &txnModel{ended: true}
			order = append(order, b.txn)
		}
		out.batches, out.next = append(out.batches, b), max(b.end(), l.start)
	}
	if out.next == l.start && !at.IsZero() && l.next > l.start {
		out.batches = nil
		return out
	}
	for i, b := range out.batches {
		if b.txn != nil && began[b.txn] != nil {
			out.batches[i].txn = began[b.txn]
		}
	}
	for _, t := range order {
		if began[t] != nil {
			out.batches = append(out.batches, batchModel{base: out.next, txn: began[t]})
			out.next++
		}
	}
	return out
}

// values lists what a consumer should see, with offsets.
func (l *logModel) values(committed bool) (out []string) {
	end := l.next
	if committed {
		end = l.stable()
	}
	for _, b := range l.batches {
		for i, v := range b.values {
			at := b.base + record.Offset(i)
			if at >= l.start && at < end && (!committed || b.txn == nil || b.txn.committed) {
				out = append(out, fmt.Sprintf("%d:%s", at, v[:4]))
			}
		}
	}
	return out
}

// stable is where the first open transaction begins.
func (l *logModel) stable() record.Offset {
	for _, b := range l.batches {
		if b.txn != nil && !b.txn.ended {
			return b.base
		}
	}
	return l.next
}

// consume reads a partition to its end as clients do: what is aborted is known by the list and by markers, answer by answer.
func consume(t *testing.T, in *coretest.Instance, tp record.TopicPartition, committed bool) (out []string, b fetch.Bounds) {
	t.Helper()
	b, err := in.Fetch.Bounds(t.Context(), tp)
	if err != nil {
		t.Fatal(err)
	}
	end := b.HighWatermark
	if committed {
		end = b.LastStable
	}
	for at := b.LogStart; at < end; {
		r := in.Fetch.Fetch(t.Context(), fetch.Request{ReadCommitted: committed, BytesMax: 1 << 20, Partitions: []fetch.Partition{{TopicPartition: tp, Offset: at, BytesMax: 2500}}})[0]
		if r.Err == nil && len(r.Batches) == 0 {
			return out, b // log compaction may leave nothing up to the end; what is missed shows in the comparison
		}
		if r.Err != nil {
			t.Fatalf("read %v/%d at %d of %d: %v", tp.Topic, tp.Partition, at, end, r.Err)
		}
		queue, dropped := slices.Clone(r.Aborted), map[record.ProducerID]bool{}
		slices.SortFunc(queue, func(a, b fetch.Aborted) int { return int(a.First - b.First) })
		for batch := range record.Batches(r.Batches) {
			h, err := record.Check(batch)
			if err != nil {
				t.Fatal(err)
			}
			for len(queue) > 0 && queue[0].First <= h.LastOffset() {
				dropped[queue[0].Producer], queue = true, queue[1:]
			}
			if h.LastOffset() < at {
				continue
			}
			from := at
			at = h.LastOffset() + 1
			if h.IsControl() {
				if m, err := record.ReadMarker(batch); err == nil && !m.Commit {
					delete(dropped, h.Producer)
				}
				continue
			}
			if committed && h.IsTransactional() && dropped[h.Producer] {
				continue
			}
			for _, got := range coretest.Records(t, batch) {
				if got.Offset >= from {
					out = append(out, fmt.Sprintf("%d:%s", got.Offset, got.Value[:4]))
				}
			}
		}
	}
	return out, b
}

// names of the topics that are there.
func (f *fixture) names() []string { return slices.Sorted(maps.Keys(f.topics)) }
