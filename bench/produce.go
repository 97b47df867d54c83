package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Flow is what a run moved.
type Flow struct {
	Records int
	Bytes   int64 // of values
	Took    time.Duration
	Times   *Times // of each record: until its acknowledgement, or until a consumer has it
}

// Rate is bytes a second.
func (f *Flow) Rate() float64 { return float64(f.Bytes) / f.Took.Seconds() }

// stampBytes at the beginning of each value say when it was sent, in nanoseconds since the epoch.
const stampBytes = 8

// Produce writes the bytes of the work and waits until all are acknowledged. An error of any record is the result.
func Produce(ctx context.Context, w *Work) (*Flow, error) {
	values, flow := w.values(), &Flow{Times: &Times{}}
	each := w.each()
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	began := time.Now()
	for c := range w.Clients {
		client, err := w.producer()
		if err != nil {
			return nil, err
		}
		defer client.Close()
		wg.Go(func() {
			s := sender{w: w, client: client, values: values, times: flow.Times, failed: &failed}
			s.send(ctx, c, each, began)
		})
	}
	wg.Wait()
	flow.Took = time.Since(began)
	if err := failed.Load(); err != nil {
		return nil, fmt.Errorf("produce to %q: %w", w.Topic, *err)
	}
	flow.Records = flow.Times.Count()
	flow.Bytes = int64(flow.Records) * int64(w.ValueBytes)
	return flow, ctx.Err()
}

func (w *Work) producer() (*kgo.Client, error) {
	options := []kgo.Opt{kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DefaultProduceTopic(w.Topic)}
	if w.Linger >= 0 {
		options = append(options, kgo.ProducerLinger(w.Linger))
	}
	if w.Plain {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	return w.client(options...)
}

// sender is one client at work.
type sender struct {
	w      *Work
	client *kgo.Client
	values [][]byte
	times  *Times
	failed *atomic.Pointer[error]
}

func (s *sender) send(ctx context.Context, number, count int, began time.Time) {
	var key [8]byte
	for i := range count {
		if ctx.Err() != nil || s.failed.Load() != nil {
			break
		}
		binary.BigEndian.PutUint64(key[:], uint64(i)) //nolint:gosec // a count
		sent := s.pace(ctx, i, began)
		value := s.values[(i+number)%len(s.values)]
		if s.w.Rate > 0 && len(value) >= stampBytes { // of few records a second each can bear its own time
			value = append([]byte(nil), value...)
			binary.BigEndian.PutUint64(value[:stampBytes], uint64(sent.UnixNano())) //nolint:gosec // after 1970
		}
		s.client.Produce(ctx, &kgo.Record{Key: append([]byte(nil), key[:]...), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				s.failed.CompareAndSwap(nil, &err)
				return
			}
			s.times.Add(time.Since(sent))
		})
	}
	if err := s.client.Flush(ctx); err != nil {
		s.failed.CompareAndSwap(nil, &err)
	}
}

// pace waits until record i is due and gives the time from which its wait counts: when it was due. One that is sent late, because
// the broker took so long with those before, waits since then all the same.
func (s *sender) pace(ctx context.Context, i int, began time.Time) time.Time {
	if s.w.Rate == 0 {
		return time.Now()
	}
	due := began.Add(time.Duration(i) * time.Second * time.Duration(s.w.Clients) / time.Duration(s.w.Rate))
	if wait := time.Until(due); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return due
}
