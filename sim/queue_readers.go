package sim

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/sim/queues"
)

// reader polls the keys that it has assigned to itself, through any instance, and changes them at times.
func (q *queue) reader(ctx context.Context, number int) {
	d := throw(q.seed, "queue reader", number, 0, "")
	process, uncommitted := q.process(), d.chance(.3)
	positions := map[queues.Key]record.Offset{}
	for wait(ctx, d.between(q.Think/2, q.Think*3)) {
		if len(positions) == 0 || d.chance(.05) {
			positions = q.assign(process, &d, positions)
		}
		in := q.pick(&d)
		if in.gate(&d); in.isDead() {
			continue
		}
		op := queues.Op{Process: process, Outcome: queues.Done, Start: q.Now(), Uncommitted: uncommitted, Polled: true}
		op.Steps, positions = q.poll(ctx, in, &d, positions, uncommitted)
		q.Add(op)
	}
}

// assign takes other keys: those that it had go on, the others begin at the beginning.
func (q *queue) assign(process int, d *dice, had map[queues.Key]record.Offset) map[queues.Key]record.Offset {
	now := map[queues.Key]record.Offset{}
	for range 1 + d.below(queueKeys) {
		k := queues.Key(d.below(queueKeys))
		now[k] = had[k]
	}
	q.Add(queues.Op{Process: process, Kind: queues.Assign, Outcome: queues.Done, Start: q.Now(), Keys: slices.Sorted(maps.Keys(now))})
	return now
}

// poll fetches from positions, and gives the records and the new positions. Without an answer nothing has moved.
func (q *queue) poll(ctx context.Context, in *instance, d *dice, positions map[queues.Key]record.Offset, uncommitted bool) ([]queues.Step, map[queues.Key]record.Offset) {
	q.operations.Add(1)
	var parts []fetch.Partition
	for _, k := range slices.Sorted(maps.Keys(positions)) {
		parts = append(parts, fetch.Partition{TopicPartition: q.partition(k), Offset: positions[k], BytesMax: 300 + d.below(5000)})
	}
	results := in.fetch.Fetch(ctx, fetch.Request{ReadCommitted: !uncommitted, Partitions: parts, BytesMin: 1, BytesMax: 1 << 20, WaitMax: d.between(0, 300*time.Millisecond)})
	if in.isDead() || ctx.Err() != nil {
		return nil, positions
	}
	var steps []queues.Step
	next := maps.Clone(positions)
	for i := range results {
		r := &results[i]
		k := queues.Key(r.Partition)
		_ = q.fetched(in, *r, positions[k]) // the judge has its own opinion
		if r.Err == nil {
			steps, next[k] = q.delivered(steps, r, positions[k], uncommitted)
		}
	}
	return steps, next
}

// delivered are the records that a client makes of an answer: none of markers, none before its position, and with read_committed
// none of aborted transactions.
func (q *queue) delivered(steps []queues.Step, r *fetch.Result, from record.Offset, uncommitted bool) ([]queues.Step, record.Offset) {
	dropping := map[record.ProducerID]bool{}
	ahead := r.Aborted
	for b, err := range record.Batches(r.Batches) {
		if err != nil {
			break // the judge says so
		}
		h, err := record.ReadHeader(b)
		if err != nil {
			break
		}
		for ; len(ahead) > 0 && ahead[0].First <= h.LastOffset(); ahead = ahead[1:] {
			dropping[ahead[0].Producer] = true
		}
		next := h.LastOffset() + 1
		if h.IsControl() {
			if m, err := record.ReadMarker(b); err == nil && !m.Commit {
				delete(dropping, m.Producer)
			}
		} else if uncommitted || !h.IsTransactional() || !dropping[h.Producer] {
			for i := range h.Records {
				if at := h.BaseOffset + record.Offset(i); at >= from {
					steps = append(steps, queues.Step{Key: queues.Key(r.Partition), Offset: int64(at), Value: queues.Value(h.FirstTimestamp*valuesMax + int64(i))})
				}
			}
		}
		from = max(from, next)
	}
	return steps, from
}
