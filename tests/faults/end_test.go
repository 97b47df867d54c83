//go:build stack

package faults

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/firnlog/firnlog/sim/queues"
)

// closed says that no transaction is open any more: what clients left behind has timed out.
func (c *crowd) closed(ctx context.Context) error {
	admin := kadm.NewClient(c.client())
	defer admin.Close()
	ends, err := admin.ListEndOffsets(ctx, topics[:]...)
	stable, err2 := admin.ListCommittedOffsets(ctx, topics[:]...)
	if err = errors.Join(err, err2, ends.Error(), stable.Error()); err != nil {
		return fmt.Errorf("list the ends: %w", err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if s, _ := stable.Lookup(o.Topic, o.Partition); s.Offset != o.Offset {
			err = fmt.Errorf("%s/%d is stable to %d of %d", o.Topic, o.Partition, s.Offset, o.Offset)
		}
	})
	return err
}

// last sends one more record to each input: behind all markers, so that who has read it has committed the end.
func (c *crowd) last(ctx context.Context) error {
	process, client := c.process(), c.client()
	defer client.Close()
	for p := range int32(partitions) {
		r, s := c.record(inputs, p)
		op := queues.Op{Process: process, Start: c.Now()}
		err := client.ProduceSync(ctx, r).FirstErr()
		if err == nil {
			op.Outcome, s.Offset = queues.Done, r.Offset
		}
		op.Steps = []queues.Step{s}
		if c.Add(op); err != nil {
			return fmt.Errorf("send the last record of an input: %w", err)
		}
	}
	return nil
}

// drained says that everything of the inputs has results: the group's offsets are at the ends.
func (c *crowd) drained(ctx context.Context) error {
	admin := kadm.NewClient(c.client(kgo.RequestRetries(3)))
	defer admin.Close()
	lags, err := admin.Lag(ctx, "transformers")
	lag := lags["transformers"]
	if err = errors.Join(err, lag.Error()); err != nil {
		return fmt.Errorf("ask for the lag: %w", err)
	}
	for p := range int32(partitions) {
		l, ok := lag.Lag.Lookup(inputs, p)
		if l.Err != nil {
			return fmt.Errorf("lag of partition %d: %w", p, l.Err)
		}
		if !ok || l.Lag != 0 {
			return fmt.Errorf("partition %d: lag %d", p, l.Lag)
		}
	}
	return nil
}
