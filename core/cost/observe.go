package cost

import (
	"context"
	"sync"
	"time"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/stream"
	"github.com/firnlog/firnlog/objectstore"
)

// Observer keeps what topics store for metrics. Who holds the maintenance duty calls Step; the others show nothing.
type Observer struct {
	stream *stream.Stream
	prices Prices
	now    func() time.Time
	every  time.Duration
	meter  *meter
	mu     struct {
		sync.Mutex
		topics []Usage
		at     time.Time
	}
}

// observerArchive is memory for the manifests that have changed since the step before.
const observerArchive = 2 << 20

// NewObserver makes one; Step is to be called every so often, never twice at once.
func NewObserver(store objectstore.Store, s *stream.Stream, prices Prices, now func() time.Time, every time.Duration) *Observer {
	return &Observer{stream: s, prices: prices, now: now, every: every, meter: newMeter(archive.New(store, observerArchive))}
}

// Step measures. It reads manifests that it does not know yet, and nothing else.
func (o *Observer) Step(ctx context.Context) error {
	var topics []*ledger.Topic
	var all map[record.TopicID][]held
	if err := o.stream.View(func(l *ledger.Ledger) { topics, all = partitions(l) }); err != nil {
		return err
	}
	usage, err := o.meter.measure(ctx, topics, all, o.now().UnixMilli())
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.topics, o.mu.at = usage, o.now()
	return nil
}

// fresh is what was measured lately.
func (o *Observer) fresh() []Usage {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now().Sub(o.mu.at) > 3*o.every {
		return nil
	}
	return o.mu.topics
}

// Stored emits the bytes of each topic and class.
func (o *Observer) Stored(emit func(v float64, values ...string)) {
	for _, u := range o.fresh() {
		for class, s := range u.Classes {
			emit(float64(s.Bytes), u.Topic, class)
		}
	}
}

// Dollars emits what the stored bytes of each topic cost a month.
func (o *Observer) Dollars(emit func(v float64, values ...string)) {
	for _, u := range o.fresh() {
		dollars, _ := o.prices.Storage(&u)
		emit(dollars, u.Topic)
	}
}

// Usage is what the last Step has measured, and when; the zero time before the first.
func (o *Observer) Usage() ([]Usage, time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.topics, o.mu.at
}
