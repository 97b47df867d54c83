package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
)

// ErrNotCovered: others move the heads all the time, or one is too large for etcd until it is settled.
var ErrNotCovered = errors.New("heads cannot be written now")

const (
	coverTries    = 20
	coverPauseMin = 5 * time.Millisecond
	coverPauseMax = 200 * time.Millisecond
)

// Cover checkpoints a topic now: when it returns, the heads in etcd have everything that was acknowledged before the call.
func (u *Upkeep) Cover(ctx context.Context, topic record.TopicID) error {
	if err := u.Stream.Barrier(ctx); err != nil {
		return fmt.Errorf("cover topic %v: %w", topic, err)
	}
	var through coordination.Revision
	if err := u.Stream.View(func(l *ledger.Ledger) { through = l.Revision() }); err != nil {
		return err
	}
	for try := 0; try < coverTries; try++ {
		writes, _, err := u.heads(through, func(tp record.TopicPartition) bool { return tp.Topic == topic })
		if err != nil || len(writes) == 0 {
			return err
		}
		done, err := u.writeHeads(ctx, writes)
		switch {
		case err != nil && !errors.Is(err, coordination.ErrUnknown):
			return fmt.Errorf("cover topic %v: %w", topic, err)
		case err == nil && done:
			try-- // the next ones, if there are more
			continue
		}
		if err := pause.For(ctx, pause.Backoff(try, coverPauseMin, coverPauseMax)); err != nil {
			return err
		}
		if err := u.Stream.Barrier(ctx); err != nil {
			return fmt.Errorf("cover topic %v: %w", topic, err)
		}
	}
	return fmt.Errorf("cover topic %v: %w", topic, ErrNotCovered)
}
