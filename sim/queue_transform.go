package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
	"github.com/firnlog/firnlog/sim/queues"
)

const queueGroup = "transformers"

// transformer reads an input and writes a result for each record, and with them how far it has read. All clients
// of one input have the same transactional id: who begins fences the others, and goes on where the last committed
// transaction has come to. After the faults the first one works until nothing is left.
func (q *queue) transformer(ctx context.Context, input queues.Key, number int) {
	d := throw(q.seed, "queue transformer", int(input), number, "")
	c := &scribe{txnClient: &txnClient{w: q.world, d: &d, id: fmt.Sprint("transform-", input), old: d.chance(.4)}, process: q.process()}
	var at record.Offset
	for wait(ctx, d.between(q.Think, q.Think*4)) && (number == 0 || !q.quiet.Load()) {
		if !c.ready && !q.takeOver(ctx, c, input, &at) {
			continue
		}
		in := q.pick(&d)
		if in.gate(&d); in.isDead() {
			continue
		}
		q.begin(c)
		steps, next := q.poll(ctx, in, &d, map[queues.Key]record.Offset{input: at}, false)
		if c.Steps, c.Polled = steps, true; len(steps) == 0 {
			c.Transaction, c.Outcome = false, queues.Done
			q.Add(c.Op)
			if at = next[input]; q.drained(ctx, in, input, at) {
				return
			}
			continue
		}
		q.transform(ctx, c, input, steps, next[input])
		at = next[input]
		if c.Outcome != queues.Done {
			c.ready = false // its position is no more what is committed
			continue
		}
		q.worked.Add(1)
	}
}

// transform is one transaction.
func (q *queue) transform(ctx context.Context, c *scribe, input queues.Key, steps []queues.Step, to record.Offset) {
	results := q.partition(queueWritten + input)
	if c.old {
		c.failed = nil != c.call(ctx, func(ctx context.Context, in *instance) error {
			return errors.Join(in.txns.AddPartitions(ctx, c.id, c.who, []record.TopicPartition{results}), in.txns.AddGroup(ctx, c.id, c.who, queueGroup))
		})
	}
	for len(steps) > 0 && !c.failed {
		var of []queues.Value
		q.write(ctx, c, results, func(b *batch) []queues.Value {
			n := min(int(b.Records), len(steps)) // further records are results of nothing
			for _, s := range steps[:n] {
				of = append(of, s.Value)
			}
			steps = steps[n:]
			return of
		})
	}
	if !c.failed {
		c.failed = nil != q.commitOffset(ctx, c, input, to)
	}
	q.end(ctx, c, c.d.chance(.85))
}

func (q *queue) commitOffset(ctx context.Context, c *scribe, input queues.Key, to record.Offset) error {
	at := map[int32]group.Committed{int32(input): {Offset: to, LeaderEpoch: -1}}
	within := time.Duration(0)
	if c.old {
		within = txn.JoinWithin
	}
	return c.call(ctx, func(ctx context.Context, in *instance) error {
		return in.groups.CommitPending(ctx, queueGroup, group.PendingRequest{
			CommitCheck: group.CommitCheck{Generation: -1}, Transaction: c.id, JoinWithin: within, Topics: []group.CommitTopic{{Name: queueTopic, ID: q.id, Partitions: at}},
			Join: func(ctx context.Context) ([]coordination.Guard, []coordination.Change, error) {
				return in.txns.JoinGroup(ctx, c.id, c.who, queueGroup, !c.old)
			},
		})
	})
}

// takeOver fences whoever else works on this input, and reads where to go on.
func (q *queue) takeOver(ctx context.Context, c *scribe, input queues.Key, at *record.Offset) bool {
	if !c.init(ctx) {
		return false
	}
	err := c.call(ctx, func(ctx context.Context, in *instance) error {
		topics, err := in.groups.FetchOffsets(ctx, queueGroup, group.FetchRequest{
			Epoch: -1, RequireStable: true, Topics: []group.FetchTopic{{Name: queueTopic, ID: q.id}},
		})
		*at = 0
		for _, t := range topics {
			if t.Unstable[int32(input)] {
				return errNoAnswer // of an open transaction: ask again
			}
			*at = t.Partitions[int32(input)].Offset
		}
		return err
	})
	if c.ready = err == nil; c.ready {
		q.Add(queues.Op{Process: c.process, Kind: queues.Assign, Outcome: queues.Done, Start: q.Now(), Keys: []queues.Key{input}, Afresh: true})
	}
	return c.ready
}

// drained says that the faults are over and nothing of the input is left.
func (q *queue) drained(ctx context.Context, in *instance, input queues.Key, at record.Offset) bool {
	if !q.sent.Load() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	b, err := in.fetch.Bounds(ctx, q.partition(input))
	return err == nil && at >= b.HighWatermark
}
