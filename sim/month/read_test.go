package month_test

import (
	"cmp"
	"slices"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
)

// got is a record as a consumer sees it.
type got struct {
	offset     record.Offset
	ms         int64
	key, value []byte
}

// view is what a consumer finds in a partition.
type view struct {
	start, end record.Offset
	records    []got
	bytes      int64 // of batches
}

// read is a consumer from the log start to the end of what it may see; it must get there.
func (w *world) read(m *member, p *partition, committed bool) (v view) {
	w.t.Helper()
	bounds, err := m.Fetch.Bounds(w.t.Context(), p.TopicPartition)
	if err != nil {
		w.t.Fatalf("%s/%d: %v", p.topic.name, p.Partition, err)
	}
	v.start, v.end = bounds.LogStart, bounds.HighWatermark
	if committed {
		v.end = bounds.LastStable
	}
	for at := v.start; at < v.end; {
		r := m.Fetch.Fetch(w.t.Context(), fetch.Request{
			Partitions: []fetch.Partition{{TopicPartition: p.TopicPartition, Offset: at, BytesMax: 1 << 20}}, BytesMax: 1 << 20, ReadCommitted: committed,
		})[0]
		if r.Err != nil || len(r.Batches) == 0 {
			w.t.Fatalf("%s/%d: a reader is stuck at %d of %d (committed %v): %v", p.topic.name, p.Partition, at, v.end, committed, r.Err)
		}
		v.bytes += int64(len(r.Batches))
		at = w.consume(&v, r, at, committed)
	}
	return v
}

// consume does what clients do with an answer: what is of an aborted transaction is passed over until its marker.
func (w *world) consume(v *view, r fetch.Result, from record.Offset, committed bool) (next record.Offset) {
	w.t.Helper()
	pending := slices.SortedFunc(slices.Values(r.Aborted), func(a, b fetch.Aborted) int { return cmp.Compare(a.First, b.First) })
	aborted := map[record.ProducerID]bool{}
	for b, err := range record.Batches(r.Batches) {
		if err != nil {
			w.t.Fatal(err)
		}
		h, err := record.Check(b)
		if err != nil {
			w.t.Fatal(err)
		}
		for len(pending) > 0 && pending[0].First <= h.LastOffset() {
			aborted[pending[0].Producer] = true
			pending = pending[1:]
		}
		next = h.LastOffset() + 1
		if h.IsControl() {
			if m, err := record.ReadMarker(b); err == nil && !m.Commit {
				delete(aborted, h.Producer)
			}
			continue
		}
		if committed && h.IsTransactional() && aborted[h.Producer] {
			continue
		}
		for rec, err := range record.Records(b, 1<<20) {
			if err != nil {
				w.t.Fatal(err)
			}
			if at := h.OffsetOf(rec); at >= from {
				v.records = append(v.records, got{at, h.TimestampOf(rec), slices.Clone(rec.Key), slices.Clone(rec.Value)})
			}
		}
	}
	return next
}
