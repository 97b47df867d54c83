//go:build stack

package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/sim/queues"
)

// isolation: every second reader takes all that there is.
func isolation(uncommitted bool) kgo.Opt {
	if uncommitted {
		return kgo.FetchIsolationLevel(kgo.ReadUncommitted())
	}
	return kgo.FetchIsolationLevel(kgo.ReadCommitted())
}

// everywhere reads all partitions from their beginnings.
func (c *crowd) everywhere() kgo.Opt {
	from := map[string]map[int32]kgo.Offset{}
	for _, name := range c.topics {
		from[name] = map[int32]kgo.Offset{}
		for p := range int32(partitions) {
			from[name][p] = kgo.NewOffset().At(0)
		}
	}
	return kgo.ConsumePartitions(from)
}

// reader has all keys from the beginning to the end of the test.
func (c *crowd) reader(who string, number int) {
	process, uncommitted := c.process(), number%2 == 1
	client := c.client(c.everywhere(), isolation(uncommitted))
	defer client.Close()
	c.Add(queues.Op{Process: process, Kind: queues.Assign, Outcome: queues.Done, Start: c.Now(), Keys: c.everyKey()})
	for c.reading.Err() == nil {
		op := queues.Op{Process: process, Outcome: queues.Done, Start: c.Now(), Uncommitted: uncommitted, Polled: true}
		ctx, cancel := context.WithTimeout(c.reading, time.Second)
		op.Steps = c.polled(client.PollRecords(ctx, 500))
		cancel()
		c.done(who, op)
	}
}

func (c *crowd) polled(f kgo.Fetches) (out []queues.Step) {
	f.EachRecord(func(r *kgo.Record) { out = append(out, c.step(r)) })
	return out
}

// finish reads everything once more, to the ends as they are now.
func (c *crowd) finish(ctx context.Context, uncommitted bool) error {
	client := c.client(c.everywhere(), isolation(uncommitted), kgo.KeepControlRecords())
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, c.topics...)
	if err = errors.Join(err, ends.Error()); err != nil {
		return fmt.Errorf("list the ends: %w", err)
	}
	left := map[queues.Key]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[c.keyOf(o.Topic, o.Partition)] = o.Offset
		}
	})
	op := queues.Op{Process: c.process(), Outcome: queues.Done, Start: c.Now(), Uncommitted: uncommitted, Polled: true, Final: true, Keys: c.everyKey()}
	for len(left) > 0 {
		fetches := client.PollRecords(ctx, 10_000)
		if ctx.Err() != nil {
			return fmt.Errorf("read to the ends, left %v: %w", left, ctx.Err())
		}
		// What was aborted is not shown, but the marker behind it is.
		fetches.EachRecord(func(r *kgo.Record) {
			k := c.keyOf(r.Topic, r.Partition)
			if r.Offset+1 >= left[k] {
				delete(left, k)
			}
			if !r.Attrs.IsControl() {
				op.Steps = append(op.Steps, c.step(r))
			}
		})
	}
	c.Add(op)
	return nil
}

// transformer reads the inputs as a member of a group, and writes a result for each record in a transaction with its offsets.
func (c *crowd) transformer(who string, number int) {
	for c.reading.Err() == nil {
		if err := c.transformerLife(who, number); err != nil && c.reading.Err() == nil {
			c.t.Logf("transformer %d at %v: %v", number, c.Now().Round(time.Millisecond), err)
		}
	}
}

func (c *crowd) transformerLife(who string, number int) error {
	process := c.process()
	owned := &ownership{keys: map[queues.Key]bool{}}
	moved := func(gained bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			op := queues.Op{Process: process, Kind: queues.Rebalance, Outcome: queues.Done, Start: c.Now()}
			op.Keys = owned.change(c.keysOf(parts[inputs(franz)]), gained)
			c.Add(op)
		}
	}
	session, err := kgo.NewGroupTransactSession(c.with(
		kgo.TransactionalID(fmt.Sprint("transformer-", number)), kgo.TransactionTimeout(transactionMax), kgo.ConsumerGroup(franz+"-transformers"), kgo.ConsumeTopics(inputs(franz)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), isolation(false), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second),
		kgo.OnPartitionsAssigned(moved(true)), kgo.OnPartitionsRevoked(moved(false)), kgo.OnPartitionsLost(moved(false)),
	)...)
	if err != nil {
		return fmt.Errorf("make a session: %w", err)
	}
	defer session.Close()
	for c.reading.Err() == nil {
		op := queues.Op{Process: process, Start: c.Now(), Polled: true, Transaction: true, Outcome: queues.Failed}
		ctx, cancel := context.WithTimeout(c.reading, time.Second)
		fetches := session.PollRecords(ctx, 300)
		cancel()
		if op.Steps = c.polled(fetches); len(op.Steps) == 0 {
			continue
		}
		committed, err := c.transform(session, fetches.Records(), &op)
		c.done(who, op)
		if err != nil {
			return err
		}
		if !committed { // it goes back to what is committed
			c.Add(queues.Op{Process: process, Kind: queues.Assign, Outcome: queues.Done, Start: c.Now(), Keys: owned.change(nil, false), Afresh: true})
		}
	}
	return nil
}

// ownership is what a member of the group has.
type ownership struct {
	sync.Mutex
	keys map[queues.Key]bool
}

// keysOf are partitions of the inputs.
func (c *crowd) keysOf(partitions []int32) (out []queues.Key) {
	for _, p := range partitions {
		out = append(out, c.keyOf(inputs(franz), p))
	}
	return out
}

// change adds or takes keys, and gives what the member has now.
func (o *ownership) change(moved []queues.Key, gained bool) []queues.Key {
	o.Lock()
	defer o.Unlock()
	for _, k := range moved {
		if gained {
			o.keys[k] = true
		} else {
			delete(o.keys, k)
		}
	}
	return slices.Sorted(maps.Keys(o.keys))
}

func (c *crowd) transform(session *kgo.GroupTransactSession, in []*kgo.Record, op *queues.Op) (committed bool, err error) {
	if err := session.Begin(); err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), harnessPatience)
	defer cancel()
	var records []*kgo.Record
	for _, r := range in {
		made, s := c.record(results(franz), r.Partition)
		s.Source = c.step(r).Value
		records, op.Steps = append(records, made), append(op.Steps, s)
	}
	sent := session.ProduceSync(ctx, records...)
	told(op.Steps, records, sent)
	good := sent.FirstErr() == nil
	if good {
		op.Outcome = queues.Unknown
	}
	op.Ending = c.Now()
	committed, err = session.End(ctx, kgo.TransactionEndTry(good))
	switch {
	case err != nil:
		return false, fmt.Errorf("end: %w", err)
	case committed:
		op.Outcome = queues.Done
	default:
		op.Outcome = queues.Failed
	}
	return committed, nil
}
