package upkeep

import (
	"context"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// Errors of DeleteRecords.
var (
	// ErrUnknownPartition: no such topic or partition.
	ErrUnknownPartition = errors.New("unknown topic or partition")
	// ErrOutOfRange: before is above the high watermark.
	ErrOutOfRange = errors.New("offset out of range")
)

// BeforeAll asks DeleteRecords for everything up to the high watermark.
const BeforeAll record.Offset = -1

// DeleteRecords moves the log start of a partition to before, and gives the log start that holds then.
//
// It changes the log start alone: the head's as-of and folded state stay as they
// are in etcd, since this instance's newer state is not covered by them.
func (u *Upkeep) DeleteRecords(ctx context.Context, tp record.TopicPartition, before record.Offset) (record.Offset, error) {
	if err := u.Stream.Barrier(ctx); err != nil {
		return -1, err
	}
	for {
		t, format, next, start, err := u.bounds(tp)
		if err != nil {
			return -1, err
		}
		if before == BeforeAll {
			before = next
		}
		if before < 0 || before > next {
			return -1, fmt.Errorf("delete before %d, high watermark %d: %w", before, next, ErrOutOfRange)
		}
		if start >= before {
			return start, nil
		}
		done, err := u.moveLogStart(ctx, t, format, tp, before)
		if errors.Is(err, coordination.ErrUnknown) {
			err = u.Stream.Barrier(ctx) // it may be there: look again
		}
		if err != nil {
			return -1, err
		}
		if done {
			return before, nil
		}
		if err := u.Stream.Barrier(ctx); err != nil {
			return -1, err
		}
	}
}

func (u *Upkeep) bounds(tp record.TopicPartition) (t *ledger.Topic, format []byte, next, start record.Offset, err error) {
	err = u.Stream.View(func(l *ledger.Ledger) {
		if l.Has(tp) {
			t, _ = l.TopicByID(tp.Topic)
			format = l.FormatValue()
			p := l.Partition(tp)
			next, start = p.Next(), p.LogStart()
		}
	})
	if err == nil && t == nil {
		err = ErrUnknownPartition
	}
	return t, format, next, start, err
}

func (u *Upkeep) moveLogStart(ctx context.Context, t *ledger.Topic, format []byte, tp record.TopicPartition, before record.Offset) (bool, error) {
	key := u.Keys.Head(tp.Topic, tp.Partition)
	snap, err := u.KV.Get(ctx, key)
	if err != nil {
		return false, fmt.Errorf("read head: %w", err)
	}
	h := &ledger.Head{} // a missing head is empty at as-of 0
	if item := snap.Items[0]; item.Create != 0 {
		if h, err = ledger.DecodeHead(item.Value); err != nil {
			return false, err
		}
	}
	h.Truncate(before)
	if !rule.On(rule.DeleteRecordsNarrow) {
		// The head as in memory claims revisions whose spans it does not name.
		err = u.Stream.View(func(l *ledger.Ledger) {
			h = l.Partition(tp).Head(l.Revision())
			h.Spans = nil
			h.Truncate(before)
		})
		if err != nil {
			return false, err
		}
	}
	return u.commit(ctx, format, []coordination.Guard{
		coordination.ModIs(key, snap.Items[0].Mod),
		coordination.ModIs(u.Keys.Topic(t.Name), t.Mod),
	}, []coordination.Change{coordination.PutKey(key, h.Encode())})
}
