package invoke

import (
	"context"
	"time"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/record"
)

// Worker is a Member that works on some of its partitions while it reads others.
type Worker struct{ *Member }

// Poll is Member's, without the partitions that skip names. Those that hold names are not given up while it does, though the group waits for them:
// as long as the group's rebalance time-out. Leaving tells which.
func (w Worker) Poll(ctx context.Context, skip, hold func(record.TopicPartition) bool, bytesMax int, wait time.Duration) ([]consume.Fetched, error) {
	c := w.consumer
	c.Held = hold
	until := time.Now().Add(wait)
	if err := c.SettleUntil(ctx, until); err != nil {
		return nil, err
	}
	if len(c.Places) == 0 {
		return nil, c.Keep(ctx)
	}
	out := c.FetchBut(ctx, skip, bytesMax, time.Until(until))
	c.Turned()
	return out, c.Store(ctx)
}

// Leaving says that the group waits for a partition that is held.
func (w Worker) Leaving(tp record.TopicPartition) bool { return w.consumer.Leaving(tp) }
