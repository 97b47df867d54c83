package txn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
)

// abortOrphan ends what a producer has open that no transactional id knows: nobody else can. It comes about only where a key
// transactions/<id> was lost, by an operator's hand.
//
// The producer cannot come back meanwhile: an id that is not there begins with a fresh producer, so none ever gets this one again. A batch that was on its
// way finds the marker, which fences it. A second marker, written after an unknown outcome, finds nothing open and does nothing.
func (c *Coordinator) abortOrphan(ctx context.Context, who Identity) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		done, err := c.tryOrphan(ctx, who)
		if done || err != nil && !errors.Is(err, coordination.ErrUnknown) {
			return err
		}
		if err := pause.For(ctx, pause.Backoff(attempt, time.Millisecond, 100*time.Millisecond)); err != nil {
			return fmt.Errorf("abort producer %d: %w: %w", who.Producer, ErrUnavailable, err)
		}
	}
}

func (c *Coordinator) tryOrphan(ctx context.Context, who Identity) (done bool, err error) {
	if err := c.barrier(ctx); err != nil {
		return false, err
	}
	format := c.View.FormatValue()
	marker, err := c.orphaned(who)
	if err != nil || len(marker.Partitions) == 0 {
		return true, err
	}
	commit, err := c.View.NewID()
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	marker.Timestamp = int64(commit.Time())
	value := endingCommit(marker)
	if len(value) > ledger.CommitBytesMax {
		return false, fmt.Errorf("markers of %d partitions: %w", len(marker.Partitions), ErrTooLarge)
	}
	guards := ledger.CommitGuards(c.Keys, commit, coordination.MarkOf(commit), format)
	res, err := c.KV.Commit(ctx, guards, []coordination.Change{coordination.PutKey(c.Keys.Commit(commit), value)})
	switch {
	case errors.Is(err, coordination.ErrUnknown):
		return false, err
	case err != nil:
		return false, fmt.Errorf("%w: abort producer %d: %w", ErrUnavailable, who.Producer, err)
	case res.Committed:
		c.Log.Warn("transaction without a transactional id is aborted", "producer", who.Producer, "epoch", who.Epoch, "partitions", len(marker.Partitions))
	}
	return res.Committed, nil
}

// orphaned gives the marker that ends what the producer has open, wherever that is.
func (c *Coordinator) orphaned(who Identity) (*ledger.Marker, error) {
	m := &ledger.Marker{Producer: who.Producer, Epoch: who.Epoch, Bump: true}
	newer := record.Epoch(-1)
	err := c.View.View(func(l *ledger.Ledger) {
		l.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
			if !p.IsOpen(who.Producer) {
				return
			}
			m.Partitions = append(m.Partitions, tp)
			p.EachProducer(func(known ledger.HeadProducer) {
				if known.ID == who.Producer {
					m.Serial, newer = max(m.Serial, known.OpenSerial), max(newer, known.Epoch)
				}
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if newer > who.Epoch {
		return nil, fmt.Errorf("epoch %d, the transaction has %d: %w", who.Epoch, newer, ErrFenced)
	}
	slices.SortFunc(m.Partitions, record.TopicPartition.Compare)
	return m, nil
}
