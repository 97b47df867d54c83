package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/quota"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
)

// How records become batches: each has a partition (the one it names; by its key, as the Java client would; else one that is drawn for
// the request). The records of one partition go into batches in their order, each below max.message.bytes, and all batches of
// a request go to ingest together: usually into one segment and one commit.

// message is a record to be written.
type message struct {
	partition  *int32
	key, value []byte
	headers    []record.RecordHeader
	timestamp  *int64 // ms; nil: now
}

// producer is what Firnlog-Producer says: a sequence that makes sending again harmless.
type producer struct {
	id    record.ProducerID
	epoch record.Epoch
	next  int32 // sequence of the next record
}

// producerHeader makes a request idempotent: id/epoch/sequence of its first record. The id comes from POST /producers. Sequences count in
// a partition, so all records of such a request must be for one.
const producerHeader = "Firnlog-Producer"

func producerOf(h http.Header) (*producer, error) {
	text := h.Get(producerHeader)
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return nil, failf(422, 422, "%s: want id/epoch/sequence", producerHeader)
	}
	id, err := strconv.ParseInt(parts[0], 10, 64)
	epoch, err2 := strconv.ParseInt(parts[1], 10, 16)
	sequence, err3 := strconv.ParseInt(parts[2], 10, 32)
	if errors.Join(err, err2, err3) != nil || id < 0 || epoch < 0 || sequence < 0 {
		return nil, failf(422, 422, "%s: want id/epoch/sequence, three numbers from 0", producerHeader)
	}
	return &producer{record.ProducerID(id), record.Epoch(epoch), int32(sequence)}, nil
}

// place gives each message its partition.
func (s *Server) place(ctx context.Context, t *ledger.Topic, messages []message, p *producer) ([]int32, error) {
	out := make([]int32, len(messages))
	drawn := int32(-1)
	for i, m := range messages {
		switch {
		case m.partition != nil:
			if _, err := s.within(ctx, t, *m.partition); err != nil {
				return nil, err
			}
			out[i] = *m.partition
		case m.key != nil:
			out[i] = record.PartitionForKey(m.key, t.Partitions)
		default:
			if drawn < 0 {
				drawn = s.draw(t, p)
			}
			out[i] = drawn
		}
		if p != nil && out[i] != out[0] {
			return nil, failf(422, 422, "all records of a request with %s must be for one partition: name it", producerHeader)
		}
	}
	return out, nil
}

// draw chooses a partition for records without one. A producer has its own, so that sending again meets the same.
func (s *Server) draw(t *ledger.Topic, p *producer) int32 {
	if p != nil {
		return int32(int64(p.id) % int64(t.Partitions))
	}
	return s.backend.Random(t.Partitions)
}

// inFlight are messages on their way.
type inFlight struct {
	partitions []int32
	slots      []slot // of each message
	pending    *ingest.Pending
}

// slot is where a message is: its batch among those handed on, and its place there.
type slot struct{ batch, at int }

// written is what became of one message.
type written struct {
	partition int32
	offset    record.Offset // -1: not known
	timestamp int64         // ms, where the topic stamps it; else -1
	err       error
}

// begin hands messages on. Its error means that nothing was.
func (s *Server) begin(ctx context.Context, t *ledger.Topic, messages []message, p *producer) (*inFlight, error) {
	f := &inFlight{slots: make([]slot, len(messages))}
	err := s.mayProduce(ctx)
	if err != nil {
		return nil, err
	}
	if f.partitions, err = s.place(ctx, t, messages, p); err != nil {
		return nil, err
	}
	var batches []ingest.Incoming
	now := s.backend.Now().UnixMilli()
	builders := map[int32]*batch{}
	seal := func(b *batch) error {
		bytes, err := b.builder.Seal()
		batches[b.index].Batch = bytes
		return err
	}
	most := topic.MessageBytesMax(t) - record.HeaderSize
	for i, m := range messages {
		n := f.partitions[i]
		b := builders[n]
		if b != nil && b.builder.Bytes()+m.size() > most {
			if err := seal(b); err != nil {
				return nil, fmt.Errorf("make a batch: %w", err)
			}
			b = nil
		}
		if b == nil {
			b = &batch{index: len(batches), builder: record.NewBatch(record.Settings{Sequence: p.sequence()})}
			builders[n] = b
			batches = append(batches, ingest.Incoming{Partition: record.TopicPartition{Topic: t.ID, Partition: n}})
		}
		f.slots[i] = slot{b.index, b.builder.Records()}
		at := now
		if m.timestamp != nil {
			at = *m.timestamp
		}
		b.builder.Append(at, m.key, m.value, m.headers...)
		p.advance()
	}
	for _, b := range builders {
		if err := seal(b); err != nil {
			return nil, fmt.Errorf("make a batch: %w", err)
		}
	}
	total := 0
	for i := range batches {
		total += len(batches[i].Batch)
	}
	s.use(ctx, quota.Produce, total)
	f.pending = s.backend.Appender.Add(ctx, batches)
	return f, nil
}

// batch is one being built.
type batch struct {
	index   int
	builder *record.Builder
}

// size is at least what the message takes in a batch.
func (m *message) size() int {
	const fields = 5 * 10 // lengths and deltas
	n := fields + len(m.key) + len(m.value)
	for _, h := range m.headers {
		n += 2*5 + len(h.Key) + len(h.Value)
	}
	return n
}

func (p *producer) sequence() *record.Sequence {
	if p == nil {
		return nil
	}
	return &record.Sequence{Producer: p.id, Epoch: p.epoch, First: p.next}
}

func (p *producer) advance() {
	if p != nil {
		p.next = record.AddSequence(p.next, 1)
	}
}

// wait gives what became of each message, in order.
func (f *inFlight) wait(ctx context.Context) []written {
	outcomes := f.pending.Wait(ctx)
	out := make([]written, len(f.slots))
	for i, at := range f.slots {
		o := outcomes[at.batch]
		w := written{partition: f.partitions[i], offset: -1, timestamp: o.AppendTime, err: o.Err}
		switch {
		case errors.Is(o.Err, ingest.ErrOldDuplicate): // it was written, too long ago to know where
			w.err = nil
		case o.Err == nil && o.Base >= 0:
			w.offset = o.Base + record.Offset(at.at)
		}
		out[i] = w
	}
	return out
}

// produceContext ends with the request's time but not with its client: what is on its way is waited for, so that an instance
// that stops can still answer.
func (c *call) produceContext(s *Server) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.ctx), s.settings.RequestTimeout)
}
