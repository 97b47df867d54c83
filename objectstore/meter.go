package objectstore

import (
	"context"
	"sync/atomic"
	"time"
)

// Meter counts requests. Around a driver it sees every attempt, around a
// Retry what was asked for.
type Meter struct {
	store   Store
	now     func() time.Time
	observe func(Observation)
	counts  [OpDelete + 1]counters
}

// Observation is one finished request.
type Observation struct {
	Op   Op
	Took time.Duration // until it was answered, or cancelled
	// Err; nil for what was Overtaken, which is counted and paid for, but did not fail.
	Err       error
	Overtaken bool
	// BytesIn were read by Get, BytesOut offered to Put.
	BytesIn, BytesOut int64
}

// Counts of one kind of request since the Meter was made. Requests and
// BytesOut include those that failed.
type Counts struct {
	Requests, Errors  int64
	BytesIn, BytesOut int64
}

// Snapshot is what a Meter has counted. Each number is exact; numbers of
// requests that end while it is taken may be in one and not yet in another.
type Snapshot struct {
	Put, Get, List, Delete Counts
}

type counters struct {
	requests, errors, bytesIn, bytesOut atomic.Int64
}

func (c *counters) read() Counts {
	return Counts{
		Requests: c.requests.Load(), Errors: c.errors.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
	}
}

// NewMeter wraps store. observe, when not nil, is called at the end of every
// request, on its goroutine: it must not block.
func NewMeter(store Store, now func() time.Time, observe func(Observation)) *Meter {
	return &Meter{store: store, now: now, observe: observe}
}

// Snapshot gives the counts so far.
func (m *Meter) Snapshot() Snapshot {
	return Snapshot{
		Put: m.counts[OpPut].read(), Get: m.counts[OpGet].read(),
		List: m.counts[OpList].read(), Delete: m.counts[OpDelete].read(),
	}
}

// Put is Store's, counted.
func (m *Meter) Put(ctx context.Context, key string, body ...[]byte) error {
	started := m.now()
	err := m.store.Put(ctx, key, body...)
	size := int64(0)
	for _, chunk := range body {
		size += int64(len(chunk))
	}
	m.count(Observation{Op: OpPut, Took: m.now().Sub(started), Err: err, BytesOut: size})
	return err
}

// Get is Store's, counted.
func (m *Meter) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	started := m.now()
	data, err := m.store.Get(ctx, key, offset, length)
	o := Observation{Op: OpGet, Took: m.now().Sub(started), Err: err, BytesIn: int64(len(data))}
	if err != nil && Overtaken(ctx) {
		o.Err, o.Overtaken = nil, true
	}
	m.count(o)
	return data, err
}

// List is Store's, counted.
func (m *Meter) List(ctx context.Context, prefix, after string, limit int) ([]Info, error) {
	started := m.now()
	infos, err := m.store.List(ctx, prefix, after, limit)
	m.count(Observation{Op: OpList, Took: m.now().Sub(started), Err: err})
	return infos, err
}

// Delete is Store's, counted as one request for all keys.
func (m *Meter) Delete(ctx context.Context, keys ...string) error {
	started := m.now()
	err := m.store.Delete(ctx, keys...)
	m.count(Observation{Op: OpDelete, Took: m.now().Sub(started), Err: err})
	return err
}

func (m *Meter) count(o Observation) {
	c := &m.counts[o.Op]
	c.requests.Add(1)
	if o.Err != nil {
		c.errors.Add(1)
	}
	c.bytesIn.Add(o.BytesIn)
	c.bytesOut.Add(o.BytesOut)
	if m.observe != nil {
		m.observe(o)
	}
}
