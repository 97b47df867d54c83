package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
)

// Fetched is what was read of one place.
type Fetched struct {
	*Place
	fetch.Result
}

// Fetch reads from all places at once; another one comes first each time that Turned was called. It moves no position: see Advance.
func (c *Consumer) Fetch(ctx context.Context, bytesMax int, wait time.Duration) []Fetched {
	return c.FetchBut(ctx, func(record.TopicPartition) bool { return false }, bytesMax, wait)
}

// FetchBut is Fetch without the places that skip names.
func (c *Consumer) FetchBut(ctx context.Context, skip func(record.TopicPartition) bool, bytesMax int, wait time.Duration) []Fetched {
	var order []Fetched
	r := fetch.Request{BytesMin: c.BytesMin, BytesMax: bytesMax, WaitMax: max(wait, 0), ReadCommitted: true}
	for i := range c.Places {
		p := &c.Places[(i+c.Turn)%len(c.Places)]
		if skip(p.Name()) {
			continue
		}
		order = append(order, Fetched{Place: p})
		r.Partitions = append(r.Partitions, fetch.Partition{TopicPartition: p.Name(), Offset: p.Position, BytesMax: bytesMax})
	}
	if len(order) == 0 {
		return nil
	}
	for i, got := range c.of.Reader.Fetch(ctx, r) {
		order[i].Result = got
	}
	return order
}

// Turned lets the next place come first.
func (c *Consumer) Turned() { c.Turn = (c.Turn + 1) % len(c.Places) }

// Advance moves the position of what was fetched: take goes through it from the position on, and says how far it came. One that
// is out of range goes to where the consumer's reset says. changed says that the position did.
func (c *Consumer) Advance(ctx context.Context, f Fetched, take func(fetch.Result, record.Offset) (record.Offset, error)) (changed bool, err error) {
	p, before := f.Place, f.Position
	switch {
	case errors.Is(f.Err, fetch.ErrOutOfRange):
		p.Position, err = c.resets(ctx, p.Name())
		if err != nil {
			p.Position = before
			err = fmt.Errorf("%w: %s/%d is at offset %d, and has %d to %d", err, p.Topic, p.Partition, before, f.LogStart, f.HighWatermark)
		}
	case errors.Is(f.Err, fetch.ErrUnknownPartition) && !c.Manual: // the group will take it away
	case f.Err != nil:
		err = f.Err
	default:
		p.Position, err = take(f.Result, p.Position)
		p.Moved = p.Moved || c.AutoCommit && p.Position != before
	}
	return p.Position != before, err
}

// Walk goes through what was fetched of a partition, from an offset on, until each says that it is full; it gives the offset to go
// on from. Control records and those of aborted transactions are passed over.
func Walk(got fetch.Result, from record.Offset, each func(h record.Header, one record.Record) (full bool, err error)) (next record.Offset, err error) {
	next = from
	aborted := slices.Clone(got.Aborted)
	active := map[record.ProducerID]bool{}
	for b, err := range record.Batches(got.Batches) {
		if err != nil {
			return next, fmt.Errorf("%w: %w", fetch.ErrStorage, err)
		}
		h, err := record.ReadHeader(b)
		if err != nil {
			return next, fmt.Errorf("%w: %w", fetch.ErrStorage, err)
		}
		aborted = slices.DeleteFunc(aborted, func(a fetch.Aborted) bool {
			if a.First <= h.LastOffset() {
				active[a.Producer] = true
				return true
			}
			return false
		})
		switch {
		case h.IsControl():
			if m, err := record.ReadMarker(b); err == nil && !m.Commit {
				delete(active, m.Producer)
			}
			next = max(next, h.LastOffset()+1)
		case h.IsTransactional() && active[h.Producer]:
			next = max(next, h.LastOffset()+1)
		default:
			var full bool
			if next, full, err = walkBatch(b, h, next, each); err != nil || full {
				return next, err
			}
		}
	}
	return next, nil
}

// walkBatch goes through one batch.
func walkBatch(b []byte, h record.Header, next record.Offset, each func(record.Header, record.Record) (bool, error)) (record.Offset, bool, error) {
	for one, err := range record.Records(b, record.DecompressedBytesMax) {
		if err != nil {
			return next, false, fmt.Errorf("%w: %w", fetch.ErrStorage, err)
		}
		offset := h.OffsetOf(one)
		if offset < next {
			continue
		}
		if full, err := each(h, one); err != nil || full {
			return next, true, err
		}
		next = offset + 1
	}
	return max(next, h.LastOffset()+1), false, nil
}
