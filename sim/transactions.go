package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/firnlog/firnlog/core/group"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/txn"
)

// transactional is a client with transactions, of KIP-890 or before. Several have the same transactional id, so each is
// the zombie of the others at times.
func (w *world) transactional(ctx context.Context, number int) {
	d := throw(w.seed, "transactional", number, 0, "")
	c := &txnClient{w: w, d: &d, id: fmt.Sprint("x", number/2), old: d.chance(.4)}
	for wait(ctx, d.between(w.Think, w.Think*4)) && !w.quiet.Load() {
		if !c.ready && !c.init(ctx) {
			continue
		}
		c.transact(ctx)
		if d.chance(.05) {
			c.ready = false // it is started anew
		}
	}
}

type txnClient struct {
	w     *world
	d     *dice
	id    string
	old   bool // before KIP-890
	ready bool
	who   txn.Identity
	next  map[record.TopicPartition]int32 // sequences
}

// init gets an epoch.
func (c *txnClient) init(ctx context.Context) bool {
	_ = c.call(ctx, func(ctx context.Context, in *instance) (err error) { // ready says how it went
		c.who, err = in.txns.Init(ctx, c.id, int32(c.w.TransactionMax.Milliseconds()), txn.Identity{Producer: -1, Epoch: -1})
		c.ready = err == nil
		return err
	})
	c.next = map[record.TopicPartition]int32{}
	return c.ready
}

// call asks any instance, again and again while the answer is that it may; false: no answer, or another one.
func (c *txnClient) call(ctx context.Context, ask func(context.Context, *instance) error) (err error) {
	for range 6 {
		c.w.operations.Add(1)
		in := c.w.pick(c.d)
		limit, cancel := context.WithTimeout(ctx, 6*time.Second)
		in.gate(c.d)
		err = errNoAnswer
		if !in.isDead() {
			err = ask(limit, in)
		}
		wait(limit, c.d.between(100*time.Microsecond, 3*time.Millisecond))
		in.gate(c.d)
		if in.isDead() || c.d.chance(.02) {
			err = errNoAnswer // it is lost on its way back
		}
		cancel()
		again := errors.Is(err, errNoAnswer) || errors.Is(err, txn.ErrBusy) || errors.Is(err, txn.ErrUnavailable) || errors.Is(err, group.ErrUnavailable)
		if !again || !wait(ctx, c.d.between(20*time.Millisecond, 200*time.Millisecond)) {
			return err
		}
	}
	return err
}

// transact writes one transaction and ends it. Whatever goes wrong, the client begins anew.
func (c *txnClient) transact(ctx context.Context) {
	t := &transaction{id: c.id}
	all := c.w.judge.Partitions()
	var parts []record.TopicPartition
	for range 1 + c.d.below(3) {
		parts = append(parts, all[c.d.below(len(all))])
	}
	if c.old {
		err := c.call(ctx, func(ctx context.Context, in *instance) error { return in.txns.AddPartitions(ctx, c.id, c.who, parts) })
		if err != nil {
			c.ready = false
			return
		}
	}
	acked, failed := c.write(ctx, t, parts)
	if len(acked) == 0 && !failed {
		return
	}
	commit := !failed && c.d.chance(.75)
	if c.d.chance(.04) {
		c.ready = false // it dies with its transaction open
		return
	}
	var now txn.Identity
	err := c.call(ctx, func(ctx context.Context, in *instance) (err error) {
		now, err = in.txns.End(ctx, c.id, c.who, commit, !c.old)
		return err
	})
	if err != nil {
		c.ready = false
		return
	}
	c.w.judge.ToldEnded(t, commit, acked)
	if !c.old {
		c.who, c.next = now, map[record.TopicPartition]int32{}
	}
	if failed {
		c.ready = false // sequences are in doubt
	}
}

// write sends some batches, at most one in flight a partition.
func (c *txnClient) write(ctx context.Context, t *transaction, parts []record.TopicPartition) (acked []int64, failed bool) {
	sent := map[record.TopicPartition][]*batch{}
	for range 1 + c.d.below(6) {
		tp := parts[c.d.below(len(parts))]
		b := c.w.newBatch(tp, &record.Sequence{Producer: c.who.Producer, Epoch: c.who.Epoch, First: c.next[tp]}, t)
		b.transaction, b.implicit = c.id, !c.old
		c.next[tp] += b.Records
		sent[tp] = append(sent[tp], b)
	}
	var mu sync.Mutex
	var flights sync.WaitGroup
	for _, tp := range slices.SortedFunc(maps.Keys(sent), record.TopicPartition.Compare) {
		batches := sent[tp]
		flights.Go(func() {
			for _, b := range batches {
				ok := c.w.deliverOnce(ctx, b)
				mu.Lock()
				if ok {
					acked = append(acked, b.UID)
				}
				failed = failed || !ok
				mu.Unlock()
				if !ok {
					return
				}
			}
		})
	}
	flights.Wait()
	return acked, failed
}

// deliverOnce sends a batch until it is acknowledged, refused for good, or too old.
func (w *world) deliverOnce(ctx context.Context, b *batch) bool {
	for time.Since(b.first) < deliveryMax {
		o := w.send(ctx, w.pick(&b.dice), &b.dice, b)[0]
		w.heard(b, o)
		switch {
		case o.Err == nil, errors.Is(o.Err, ingest.ErrOldDuplicate):
			return true
		case !errors.Is(o.Err, errNoAnswer) && !errors.Is(o.Err, ingest.ErrNotAppended) && !errors.Is(o.Err, ingest.ErrUnknown):
			return false
		}
		if !wait(ctx, b.dice.between(20*time.Millisecond, 200*time.Millisecond)) {
			return false
		}
	}
	return false
}
