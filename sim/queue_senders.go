package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/sim/queues"
)

// steps are the records of a batch, from base on.
func (q *queue) steps(b *batch, base int64) (out []queues.Step) {
	for i := range b.Records {
		s := queues.Step{Key: queues.Key(b.Partition.Partition), Offset: queues.NoOffset, Value: queues.Value(b.UID*valuesMax + int64(i)), Sent: true}
		if base != queues.NoOffset {
			s.Offset = base + int64(i)
		}
		out = append(out, s)
	}
	return out
}

func (q *queue) written(d *dice) record.TopicPartition {
	return q.partition(queues.Key(d.below(queueWritten)))
}

// plainSender sends each batch once.
func (q *queue) plainSender(ctx context.Context, number int) {
	d := throw(q.seed, "queue plain", number, 0, "")
	process := q.process()
	for wait(ctx, d.between(q.Think/4, q.Think*2)) && !q.quiet.Load() {
		b := q.newBatch(q.written(&d), nil)
		op := queues.Op{Process: process, Start: q.Now()}
		o := q.send(ctx, q.pick(&d), &d, b)[0]
		q.heard(b, o)
		base := int64(queues.NoOffset)
		switch {
		case o.Err == nil:
			op.Outcome, base = queues.Done, int64(o.Base)
		case errors.Is(o.Err, ingest.ErrNotAppended):
			op.Outcome = queues.Failed
		}
		op.Steps = q.steps(b, base)
		q.Add(op)
	}
}

// idempotentSender sends one batch after the other, each until it is acknowledged. When it gives one up it begins with a new
// producer id.
func (q *queue) idempotentSender(ctx context.Context, number int) {
	d := throw(q.seed, "queue idempotent", number, 0, "")
	process := q.process()
	var s *session
	next := map[record.TopicPartition]int32{}
	for wait(ctx, d.between(q.Think/4, q.Think*2)) && !q.quiet.Load() {
		if s == nil {
			if s = q.newSession(ctx, nil, &d); s == nil {
				continue
			}
			clear(next)
		}
		tp := q.written(&d)
		b := q.newBatch(tp, &record.Sequence{Producer: s.id, First: next[tp]})
		op := queues.Op{Process: process, Start: q.Now()}
		base, ok := q.insist(ctx, b)
		if next[tp] += b.Records; ok {
			op.Outcome = queues.Done
		} else {
			s = nil
		}
		op.Steps = q.steps(b, base)
		q.Add(op)
	}
}

// insist sends a batch until it is acknowledged, refused for good, or its client has lost its patience: some give up while the batch
// is still on its way. A duplicate of long ago has no offset.
func (q *queue) insist(ctx context.Context, b *batch) (base int64, ok bool) {
	patience := deliveryMax
	if b.dice.chance(.3) {
		patience = b.dice.between(deliveryMax/50, deliveryMax/3)
	}
	for time.Since(b.first) < patience {
		o := q.send(ctx, q.pick(&b.dice), &b.dice, b)[0]
		q.heard(b, o)
		switch {
		case o.Err == nil:
			return int64(o.Base), true
		case errors.Is(o.Err, ingest.ErrOldDuplicate):
			return queues.NoOffset, true
		case !errors.Is(o.Err, errNoAnswer) && !errors.Is(o.Err, ingest.ErrNotAppended) && !errors.Is(o.Err, ingest.ErrUnknown):
			return queues.NoOffset, false
		}
		if !wait(ctx, b.dice.between(20*time.Millisecond, 200*time.Millisecond)) {
			break
		}
	}
	return queues.NoOffset, false
}

// scribe is a transactional client whose transactions are recorded.
type scribe struct {
	*txnClient
	*judged
	process int
	// reckless: it goes on with its epoch and sequences after a batch that it has no answer for. An old
	// client can: what comes of that batch afterwards is for the log to refuse.
	reckless bool
}

// judged is a transaction on its way.
type judged struct {
	queues.Op
	*transaction
	acked  []int64
	failed bool
}

// begin begins a transaction.
func (q *queue) begin(c *scribe) {
	c.judged = &judged{Op: queues.Op{Process: c.process, Start: q.Now(), Transaction: true}, transaction: &transaction{id: c.id}}
}

// write sends a batch of the transaction; after one that was not acknowledged it writes no more.
func (q *queue) write(ctx context.Context, c *scribe, tp record.TopicPartition, of func(b *batch) []queues.Value) {
	if c.failed {
		return
	}
	b := q.newBatch(tp, &record.Sequence{Producer: c.who.Producer, Epoch: c.who.Epoch, First: c.next[tp]}, c.transaction)
	b.transaction, b.implicit = c.id, !c.old
	c.next[tp] += b.Records
	base, ok := q.insist(ctx, b)
	if c.failed = !ok; ok {
		c.acked = append(c.acked, b.UID)
	} else if c.old && c.reckless {
		wait(ctx, txn.JoinWithin) // no broker can tell the transactions of one that is hasty as well (docs/SUPPORTED.md)
	}
	steps := q.steps(b, base)
	if of != nil {
		for i, v := range of(b) {
			steps[i].Source = v
		}
	}
	c.Steps = append(c.Steps, steps...)
}

// end commits or aborts it, or leaves it behind. What was never asked to be committed has failed; when there is no answer
// or an error, nobody knows.
func (q *queue) end(ctx context.Context, c *scribe, commit bool) {
	commit = commit && !c.failed
	if c.Outcome = queues.Failed; commit {
		c.Outcome = queues.Unknown
	}
	if c.d.chance(.04) {
		c.ready, c.Outcome = false, queues.Failed // it dies with its transaction open
		q.Add(c.Op)
		return
	}
	c.Ending = q.Now()
	var now txn.Identity
	err := c.call(ctx, func(ctx context.Context, in *instance) (err error) {
		now, err = in.txns.End(ctx, c.id, c.who, commit, !c.old)
		return err
	})
	switch {
	case err != nil:
		c.ready = false
	case commit:
		c.Outcome = queues.Done
		fallthrough
	default:
		q.judge.ToldEnded(c.transaction, commit, c.acked)
		if !c.old {
			c.who, c.next = now, map[record.TopicPartition]int32{}
		}
		c.ready = c.ready && (!c.failed || c.reckless && c.old) // sequences are in doubt
	}
	q.Add(c.Op)
}

// transactor writes transactions over several keys.
func (q *queue) transactor(ctx context.Context, number int) {
	d := throw(q.seed, "queue transactor", number, 0, "")
	c := &scribe{txnClient: &txnClient{w: q.world, d: &d, id: fmt.Sprint("q", number/2), old: d.chance(.4)}, process: q.process()}
	c.reckless = throw(q.seed, "reckless", number, 0, "").odd()
	for wait(ctx, d.between(q.Think, q.Think*4)) && !q.quiet.Load() {
		if !c.ready && !c.init(ctx) {
			continue
		}
		parts := []record.TopicPartition{q.written(&d), q.written(&d), q.written(&d)}
		if c.old {
			if err := c.call(ctx, func(ctx context.Context, in *instance) error { return in.txns.AddPartitions(ctx, c.id, c.who, parts) }); err != nil {
				c.ready = false
				continue
			}
		}
		q.begin(c)
		for range 1 + d.below(5) {
			q.write(ctx, c, parts[d.below(len(parts))], nil)
		}
		q.end(ctx, c, d.chance(.75))
		if d.chance(.05) {
			c.ready = false // it is started anew
		}
	}
}
