package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/firnlog/firnlog/core/ingest"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
)

// Queues deliver at least once: an invocation that dies between commit and answer gets its messages again. So that they are not
// written again, each message is a batch of a producer of its own, whose id is a hash of the message's identity, with sequence 0: the
// fold takes the first and knows each other one for a duplicate. Nothing else has to be kept anywhere, and it holds across
// environments, brokers and restores.
//
// What it costs: an entry in the partition's table of producers for each message, some 25 bytes in its head. The table has 10,000,
// and forgets the one least recently heard of, or silent for a day: who is delivered again after that is written again. It would also
// forget producers of other kinds that write to the same partition less often, so topics fed by queues should be fed by
// queues alone. FIRNLOG_DEDUPLICATE=false writes plain batches.

// producerBit keeps these ids apart from those that are handed out, which count from 0.
const producerBit = 1 << 62

// producerOf hashes an identity. Two messages among 10,000 share one of 2^62 ids once in 10^11 tables.
func producerOf(identity string) record.ProducerID {
	sum := sha256.Sum256([]byte(identity))
	return record.ProducerID(binary.BigEndian.Uint64(sum[:])>>2 | producerBit)
}

var errNoTopicNamed = errors.New("the message names no topic, and FIRNLOG_TOPIC is not set")

// write puts all messages into one segment, and gives the ids of those that were not written. An error: none was.
func (f *function) write(ctx context.Context, messages []message) (failed []string, err error) {
	need := stream.Need{}
	for i := range messages {
		m := &messages[i]
		m.topic = cmp.Or(m.topic, f.place.Config.Topic)
		need.Topics = append(need.Topics, m.topic)
	}
	ctx, done, err := f.place.Begin(ctx, need)
	if err != nil {
		return nil, err
	}
	defer done()
	defer f.place.End()
	var batches []ingest.Incoming
	var ids []string
	topics := map[string]*ledger.Topic{}
	for i := range messages {
		m := &messages[i]
		in, err := f.batch(ctx, m, topics)
		if err != nil {
			f.place.Log.Error("message not written", "message", m.id, "topic", m.topic, "error", err)
			failed = append(failed, m.id)
			continue
		}
		batches, ids = append(batches, in), append(ids, m.id)
	}
	for i, o := range f.place.Ingest.Add(ctx, batches).Wait(ctx) {
		if o.Err != nil && !errors.Is(o.Err, ingest.ErrOldDuplicate) {
			f.place.Log.Error("message not written", "message", ids[i], "error", o.Err)
			failed = append(failed, ids[i])
		}
	}
	return failed, nil
}

// batch makes a message's batch. One without a key goes where its identity says, so that it comes there again.
func (f *function) batch(ctx context.Context, m *message, topics map[string]*ledger.Topic) (in ingest.Incoming, err error) {
	if m.topic == "" {
		return in, errNoTopicNamed
	}
	t := topics[m.topic]
	if t == nil {
		t, err = f.place.Topic(ctx, m.topic)
		if err != nil {
			return in, err
		}
		topics[m.topic] = t
	}
	settings := record.Settings{}
	if f.place.Config.Deduplicate {
		settings.Sequence = &record.Sequence{Producer: producerOf(m.identity)}
	}
	in.Partition.Topic = t.ID
	if m.key != nil {
		in.Partition.Partition = record.PartitionForKey(m.key, t.Partitions)
	} else {
		in.Partition.Partition = int32(int64(producerOf(m.identity)) % int64(t.Partitions))
	}
	b := record.NewBatch(settings)
	b.Append(cmp.Or(m.timestamp, f.place.Now().UnixMilli()), m.key, m.value, m.headers...)
	if in.Batch, err = b.Seal(); err != nil {
		return in, fmt.Errorf("make a batch: %w", err)
	}
	return in, nil
}
