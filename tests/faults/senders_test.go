//go:build stack

package faults

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/sim/queues"
)

// written draws where producers write.
func (c *crowd) written() (topic string, partition int32) {
	all := c.writable()
	return all[rand.N(len(all))], rand.Int32N(partitions)
}

// plain sends one record after the other, each once. One that failed may be there: its client cannot tell.
func (c *crowd) plain(who string, _ int) {
	process := c.process()
	client := c.client(kgo.DisableIdempotentWrite(), kgo.RecordRetries(0))
	defer client.Close()
	for pause(c.writing, 20*time.Millisecond) {
		r, s := c.record(c.written())
		op := queues.Op{Process: process, Start: c.Now()}
		if err := client.ProduceSync(context.Background(), r).FirstErr(); err == nil {
			op.Outcome, s.Offset = queues.Done, r.Offset
		}
		op.Steps = []queues.Step{s}
		c.done(who, op)
	}
}

// idempotent has many records on their way, and waits for all of them in the end.
func (c *crowd) idempotent(who string, _ int) {
	process := c.process()
	client := c.client(kgo.MaxBufferedRecords(200))
	defer client.Close()
	for pause(c.writing, 20*time.Millisecond) {
		r, s := c.record(c.written())
		op := queues.Op{Process: process, Start: c.Now()}
		client.Produce(context.Background(), r, func(r *kgo.Record, err error) {
			if err == nil {
				op.Outcome, s.Offset = queues.Done, r.Offset
			}
			op.Steps = []queues.Step{s}
			c.done(who, op)
		})
	}
	flush, cancel := context.WithTimeout(context.Background(), 2*harnessPatience)
	defer cancel()
	if err := client.Flush(flush); err != nil {
		c.t.Errorf("an idempotent client waits for answers: %v", err)
	}
}

// transactionMax is how long a transaction may stay open whose client is gone.
const transactionMax = 10 * time.Second

// transactional writes transactions over several partitions. When something goes wrong, or at times without, it leaves
// everything as it is, and is started anew with the same transactional id.
func (c *crowd) transactional(who string, number int) {
	for c.writing.Err() == nil {
		c.transactionalLife(who, number)
	}
}

func (c *crowd) transactionalLife(who string, number int) {
	client := c.client(kgo.TransactionalID("transactional-"+string(rune('0'+number))), kgo.TransactionTimeout(transactionMax))
	defer client.Close()
	process := c.process()
	for pause(c.writing, 100*time.Millisecond) {
		op, alive := c.transaction(client, process)
		if c.done(who, op); !alive || rand.N(100) == 0 {
			return
		}
	}
}

// transaction is one; alive says that the client may go on.
func (c *crowd) transaction(client *kgo.Client, process int) (op queues.Op, alive bool) {
	op = queues.Op{Process: process, Start: c.Now(), Transaction: true, Outcome: queues.Failed}
	if client.BeginTransaction() != nil {
		return op, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), harnessPatience)
	defer cancel()
	var records []*kgo.Record
	for range 1 + rand.N(6) {
		r, s := c.record(c.written())
		records, op.Steps = append(records, r), append(op.Steps, s)
	}
	sent := client.ProduceSync(ctx, records...)
	told(op.Steps, records, sent)
	if rand.N(30) == 0 {
		return op, false // it dies with its transaction open
	}
	commit := kgo.TransactionEndTry(sent.FirstErr() == nil && rand.N(100) < 80)
	if commit {
		op.Outcome = queues.Unknown
	}
	op.Ending = c.Now()
	if err := client.EndTransaction(ctx, commit); err != nil {
		return op, false
	}
	if commit {
		op.Outcome = queues.Done
	}
	return op, sent.FirstErr() == nil
}

// told notes the offsets of what was acknowledged. The answers come in an order of their own.
func told(steps []queues.Step, records []*kgo.Record, sent kgo.ProduceResults) {
	place := map[*kgo.Record]int{}
	for i, r := range records {
		place[r] = len(steps) - len(records) + i
	}
	for _, res := range sent {
		if res.Err == nil {
			steps[place[res.Record]].Offset = res.Record.Offset
		}
	}
}
