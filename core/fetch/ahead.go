package fetch

import (
	"context"
	"sync"

	"github.com/firnlog/firnlog/core/record"
)

const (
	// aheadMax is how many blocks are read ahead at a time, for all readers together.
	aheadMax = 4
	// trailMax is how many ends of answers are remembered.
	trailMax = 4096
)

// trail remembers where answers from settled data ended: who asks for such an offset reads on, and gets as much as it asks for, and the
// block after that is on its way into the cold pool before it asks. Who comes from elsewhere pays for
// one block. Forgetting an end costs a reader one round trip, so it is a ring.
type trail struct {
	mu struct {
		sync.Mutex
		ends map[trailEnd]int // to its place in ring
		ring []trailEnd
		next int
	}
}

type trailEnd struct {
	tp     record.TopicPartition
	offset record.Offset
}

func (t *trail) has(tp record.TopicPartition, offset record.Offset) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.mu.ends[trailEnd{tp, offset}]
	return ok
}

func (t *trail) note(tp record.TopicPartition, offset record.Offset) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.ends == nil {
		t.mu.ends = map[trailEnd]int{}
	}
	end := trailEnd{tp, offset}
	if _, ok := t.mu.ends[end]; ok {
		return
	}
	if len(t.mu.ring) < trailMax {
		t.mu.ring = append(t.mu.ring, end)
	} else {
		delete(t.mu.ends, t.mu.ring[t.mu.next])
		t.mu.ring[t.mu.next] = end
	}
	t.mu.ends[end] = t.mu.next
	t.mu.next = (t.mu.next + 1) % trailMax
}

// follow notes where answers from settled data end, and reads ahead for those who read on.
func (f *Fetcher) follow(ctx context.Context, plans []plan, results []Result) {
	for i := range plans {
		p := &plans[i]
		n := len(p.pieces)
		if n == 0 || !p.pieces[n-1].Settled() || results[i].end == 0 {
			continue
		}
		f.trail.note(p.TopicPartition, results[i].end)
		if p.sequential && p.failed == nil && p.pieces[n-1].End < p.end {
			f.readAhead(ctx, p.TopicPartition, p.pieces[n-1].End)
		}
	}
}

// readAhead loads the piece that holds offset, if it is settled and not here. Nobody waits for it; a failure is for the
// reader to meet.
func (f *Fetcher) readAhead(ctx context.Context, tp record.TopicPartition, offset record.Offset) {
	if f.NoReadAhead || !f.ahead.TryAcquire(1) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	go func() {
		defer f.ahead.Release(1)
		r := Request{Partitions: []Partition{{TopicPartition: tp, Offset: offset, BytesMax: 1}}, BytesMax: 1}
		plans, err := f.plan(r, make([]record.Offset, 1))
		if err != nil || plans[0].doubt != nil || f.locateOne(ctx, &plans[0]) != nil || len(plans[0].pieces) == 0 {
			return
		}
		if p := &plans[0].pieces[0]; p.Settled() {
			_, _ = f.get(ctx, p)
		}
	}()
}
