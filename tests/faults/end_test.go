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
	ends, err := admin.ListEndOffsets(ctx, c.topics...)
	stable, err2 := admin.ListCommittedOffsets(ctx, c.topics...)
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
	for _, key := range c.inputKeys() {
		r, s := c.record(c.topics[key/partitions], int32(key%partitions))
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
	ends, err := admin.ListEndOffsets(ctx, c.topics...)
	if err = errors.Join(err, ends.Error()); err != nil {
		return fmt.Errorf("list the ends: %w", err)
	}
	for _, library := range c.libraries {
		committed, err := admin.FetchOffsets(ctx, library+"-transformers")
		if err = errors.Join(err, committed.Error()); err != nil {
			return fmt.Errorf("fetch the offsets of %s: %w", library, err)
		}
		for p := range int32(partitions) {
			end, _ := ends.Lookup(inputs(library), p)
			if at, ok := committed.Lookup(inputs(library), p); !ok || at.At != end.Offset {
				return fmt.Errorf("%s, partition %d: committed %d of %d", library, p, at.At, end.Offset)
			}
		}
	}
	return nil
}
