package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/core/deliver"
	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/invoke"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// cemetery writes dead letters to their topic, as the function that produces writes messages of queues: one segment and one commit.
type cemetery struct {
	e               *invoke.Environment
	topic           *ledger.Topic
	group, function string
}

// Bury implements deliver.Dead. A letter that the topic does not take because of its size is written without value and headers of its
// own: the record still lies where its headers say.
func (c *cemetery) Bury(ctx context.Context, letters []deliver.Letter) error {
	refused, err := c.write(ctx, letters, false)
	if err != nil || len(refused) == 0 {
		return err
	}
	if refused, err = c.write(ctx, refused, true); err == nil && len(refused) > 0 {
		err = fmt.Errorf("%w: without its value too, that of %s is too large", errNotBuried, deliver.PartitionName(refused[0].Topic, refused[0].Partition))
	}
	return err
}

// write writes letters, and gives those that are too large.
func (c *cemetery) write(ctx context.Context, letters []deliver.Letter, bare bool) (tooLarge []deliver.Letter, err error) {
	var batches []ingest.Incoming
	for i := range letters {
		letters[i].Group, letters[i].Function = c.group, c.function
		in, err := letters[i].Batch(c.topic, c.e.Now().UnixMilli(), bare)
		if err != nil {
			return nil, err
		}
		batches = append(batches, in)
	}
	for i, o := range c.e.Ingest.Add(ctx, batches).Wait(ctx) {
		switch {
		case deliver.Buried(o.Err):
		case errors.Is(o.Err, record.ErrTooLarge):
			tooLarge = append(tooLarge, letters[i])
		default:
			return nil, fmt.Errorf("%w: %w", errNotBuried, o.Err)
		}
	}
	return tooLarge, nil
}
