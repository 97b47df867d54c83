package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Reader reads a topic without a group.
type Reader struct {
	w      *Work
	client *kgo.Client
}

// NewReader reads from the first record. Of a topic that is still empty that is its tail: it is in place when NewReader returns.
func NewReader(ctx context.Context, w *Work, empty bool) (*Reader, error) {
	client, err := w.client(kgo.ConsumeTopics(w.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return nil, err
	}
	if empty {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		client.PollFetches(short)
	}
	return &Reader{w: w, client: client}, nil
}

// Close ends it.
func (r *Reader) Close() { r.client.Close() }

// Read takes so many records. Values bear the time they were sent if the work has a rate.
func (r *Reader) Read(ctx context.Context, records int) (*Flow, error) {
	flow := &Flow{Times: &Times{}}
	began := time.Now()
	for flow.Records < records {
		fetches := r.client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("read %q after %d of %d records: %w", r.w.Topic, flow.Records, records, err)
		}
		var broken error
		fetches.EachError(func(topic string, p int32, err error) { broken = fmt.Errorf("read %s-%d: %w", topic, p, err) })
		if broken != nil {
			return nil, broken
		}
		now := time.Now()
		fetches.EachRecord(func(rec *kgo.Record) {
			flow.Records++
			flow.Bytes += int64(len(rec.Value))
			if r.w.Rate > 0 && len(rec.Value) >= stampBytes {
				flow.Times.Add(now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(rec.Value))))) //nolint:gosec // written by produce
			}
		})
	}
	flow.Took = time.Since(began)
	return flow, nil
}
