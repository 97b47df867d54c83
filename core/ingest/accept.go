package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
	"github.com/firnlog/firnlog/core/topic"
)

// Add takes batches in order and gives what to wait for. It blocks while the
// memory for batches on their way is full, and while a topic that is not known
// here is looked for behind a barrier.
//
// Refused here is only what can never become right: malformed batches, an epoch
// that is fenced, a duplicate whose offset is known. "Out of order" and "unknown
// producer" are for the fold to say.
func (g *Ingest) Add(ctx context.Context, in []Incoming) *Pending {
	p := newPending(len(in))
	if g.FlushBefore != nil {
		p.drive = g.Flush
	}
	arrived, at := time.Now(), g.Trace.Here(ctx)
	for i := range in {
		it := item{pending: p, index: i, partition: in[i].Partition, batch: in[i].Batch, keeps: in[i].Keeps, appendMs: -1, transaction: in[i].Transaction, implicit: in[i].Implicit, arrived: arrived, at: at}
		linger, refused := g.accept(ctx, &it)
		if refused != nil {
			p.resolve(i, *refused)
			if rule.On(rule.BadBatchAlone) {
				continue
			}
			for k := i + 1; k < len(in); k++ {
				p.resolve(k, *refused)
			}
			return p
		}
		if err := g.gather(ctx, it, linger); err != nil {
			p.resolve(i, Outcome{Err: err, Base: -1, AppendTime: -1})
		}
	}
	return p
}

func refuse(err error) *Outcome { return &Outcome{Err: err, Base: -1, AppendTime: -1} }

// accept checks one batch, makes the changes that its topic asks for, and fills in its entry.
func (g *Ingest) accept(ctx context.Context, it *item) (linger time.Duration, refused *Outcome) {
	t, err := g.topicOf(ctx, it.partition)
	if err != nil {
		return 0, refuse(err)
	}
	h, err := record.Validate(it.batch, record.Limits{BatchBytesMax: topic.MessageBytesMax(t)})
	if err != nil {
		return 0, refuse(err)
	}
	if h.IsTransactional() && it.transaction == "" {
		return 0, refuse(ErrNoTransaction)
	}
	if refused := g.checkContent(t, it.batch, h); refused != nil {
		return 0, refused
	}
	it.entry = entryOf(h)
	if refused := g.decided(it); refused != nil {
		return 0, refused
	}
	if err := g.rewrite(t, it, h); err != nil {
		return 0, refuse(err)
	}
	linger = g.Linger
	if d, ok := topic.FlushInterval(t); ok {
		linger = min(linger, d)
	}
	return linger, nil
}

func entryOf(h record.Header) ledger.Entry {
	e := ledger.Entry{Records: int64(h.Records), Bytes: int64(h.Size), MaxTimestamp: h.MaxTimestamp, Producer: record.NoProducer}
	if h.HasProducer() {
		e.Producer, e.Epoch, e.Sequence = h.Producer, h.Epoch, h.FirstSequence
	}
	if h.IsTransactional() {
		e.Serial = ledger.SerialUnknown
	}
	return e
}

// topicOf finds the topic of a partition; what is not known here is looked for behind a barrier.
func (g *Ingest) topicOf(ctx context.Context, tp record.TopicPartition) (*ledger.Topic, error) {
	find := func() (t *ledger.Topic, err error) {
		err = g.Stream.View(func(l *ledger.Ledger) {
			if found, ok := l.TopicByID(tp.Topic); ok && found.Has(tp.Partition) {
				t = found
			}
		})
		return t, err
	}
	t, err := find()
	if err == nil && t == nil {
		if err = g.Stream.Barrier(ctx); err == nil {
			t, err = find()
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotAppended, err)
	case t == nil:
		return nil, ErrUnknownPartition
	}
	return t, nil
}

func (g *Ingest) checkContent(t *ledger.Topic, batch []byte, h record.Header) *Outcome {
	now := g.Now().UnixMilli()
	if !topic.IsLogAppendTime(t) {
		before, after := topic.TimestampBounds(t)
		if h.FirstTimestamp >= 0 && now-h.FirstTimestamp > before || h.MaxTimestamp-now > after {
			return refuse(fmt.Errorf("timestamps %d to %d, now %d: %w", h.FirstTimestamp, h.MaxTimestamp, now, ErrTimestamp))
		}
	}
	if !topic.IsCompacted(t) {
		return nil
	}
	bad, err := record.ValidateKeys(batch, record.Limits{})
	if err != nil {
		return refuse(err)
	}
	if len(bad) > 0 {
		o := refuse(ErrNoKey)
		o.BadRecords = bad
		return o
	}
	return nil
}

// decided answers from this instance's ledger what more stream cannot turn.
func (g *Ingest) decided(it *item) (refused *Outcome) {
	if it.entry.Producer == record.NoProducer {
		return nil
	}
	err := g.Stream.View(func(l *ledger.Ledger) {
		p := l.Partition(it.partition)
		switch out := p.Classify(&it.entry); out.Kind {
		case ledger.Fenced:
			refused = refuse(ErrFenced)
		case ledger.Duplicate:
			refused = &Outcome{Base: out.Base, AppendTime: -1, LogStart: p.LogStart()}
		}
	})
	if err != nil {
		return refuse(fmt.Errorf("%w: %w", ErrNotAppended, err))
	}
	return refused
}

// rewrite makes the changes that a topic asks for: another codec, LogAppendTime.
func (g *Ingest) rewrite(t *ledger.Topic, it *item, h record.Header) error {
	if want := topic.CompressionType(t); want != "producer" {
		codec, err := record.ParseCodec(want)
		if err != nil {
			return fmt.Errorf("topic %s: %w", t.Name, err)
		}
		if codec != h.Codec() {
			b, err := record.Recompress(it.batch, codec, record.DecompressedBytesMax, g.encoders)
			if err != nil {
				return err
			}
			it.batch, it.keeps, it.entry.Bytes = b, 0, int64(len(b))
		}
	}
	if topic.IsLogAppendTime(t) {
		it.appendMs = g.Now().UnixMilli()
		record.StampLogAppendTime(it.batch, it.appendMs)
		it.entry.MaxTimestamp = it.appendMs
	}
	return nil
}

// gather waits for memory and puts the batch into the next segment.
func (g *Ingest) gather(ctx context.Context, it item, linger time.Duration) error {
	size := int64(len(it.batch))
	if size > g.MemoryMax {
		return fmt.Errorf("batch of %d bytes, this instance has %d for all batches: %w", size, g.MemoryMax, record.ErrTooLarge)
	}
	if !rule.On(rule.MemoryBounded) {
		size = 0
	}
	if err := g.memory.Acquire(ctx, size); err != nil {
		return fmt.Errorf("wait for memory: %w: %w", ErrNotAppended, err)
	}
	g.held.Add(size)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closing {
		g.giveBack(size)
		return fmt.Errorf("%w: %w", ErrNotAppended, errClosing)
	}
	g.mu.batcher.Add(it, g.due(linger))
	g.mu.onTheirWay++
	g.wake()
	return nil
}

var errClosing = errors.New("instance is shutting down")
