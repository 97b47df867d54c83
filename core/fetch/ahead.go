package fetch

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firnlog/core/record"
)

const (
	// aheadMax is how many blocks and segments are read ahead at a time, for all readers together.
	aheadMax = 4
	// trailMax is how many ends of answers are remembered.
	trailMax = 4096
)

// trail remembers where answers from the past ended, from settled data or from segments of which one had to be loaded: who asks for such an
// offset reads on, gets as much as it asks for, and what comes after that is on its way into the cache before it asks. Who comes from
// elsewhere pays for one block, or the segments of one answer. At the tail all is in the cache, and nothing is remembered.
// Forgetting an end costs a reader one round trip, so it is a ring.
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

// follow notes where answers end, and reads ahead for those who read on.
func (f *Fetcher) follow(ctx context.Context, r Request, plans []plan, results []Result) {
	var on []Partition // of segments
	short := false
	for i := range plans {
		p := &plans[i]
		n, end := len(p.pieces), results[i].end
		if n == 0 || end == 0 {
			short = short || p.doubt == nil && p.from < p.end
			continue
		}
		last := &p.pieces[n-1]
		switch {
		case last.Settled():
			f.trail.note(p.TopicPartition, end)
			if p.sequential && p.failed == nil && last.End < p.end {
				f.readAhead(ctx, p.TopicPartition, last.End)
			}
		case (p.sequential || p.lacked) && end < p.end:
			f.trail.note(p.TopicPartition, end)
			on = append(on, Partition{p.TopicPartition, end, p.BytesMax})
		}
	}
	// Where a partition got nothing of what it has, the next answer needs the segments of this one: others would push them out.
	if len(on) > 0 && !short {
		f.segmentsAhead(ctx, Request{Partitions: on, BytesMax: r.BytesMax})
	}
}

// segmentsAhead loads the segments that the next request will need, which is for where this one's answers ended. While that is sent, and while
// the client looks at it, they come in.
func (f *Fetcher) segmentsAhead(ctx context.Context, next Request) {
	if f.NoReadAhead || f.ahead.resting() {
		return
	}
	plans, err := f.plan(next, make([]record.Offset, len(next.Partitions)))
	if err != nil {
		return // not following any more: for the reader to meet
	}
	seen := map[string]bool{}
	for i := range plans {
		for k := range plans[i].spans {
			p := newPiece(plans[i].TopicPartition, &plans[i].spans[k], plans[i].heat[k])
			if p.cached == "" || p.Settled() || p.Inline != nil || seen[p.cached] {
				continue
			}
			if seen[p.cached] = true; f.Cache.Has(p.cached) {
				continue
			}
			if !f.inBackground(ctx, func(ctx context.Context) { f.getAhead(ctx, &p) }) {
				return
			}
		}
	}
}

// inBackground does something that nobody waits for; false: too much is under way.
func (f *Fetcher) inBackground(ctx context.Context, do func(ctx context.Context)) bool {
	if !f.ahead.turns.TryAcquire(1) {
		return false
	}
	go func() {
		defer f.ahead.turns.Release(1)
		do(context.WithoutCancel(ctx))
	}()
	return true
}

func (f *Fetcher) getAhead(ctx context.Context, p *piece) {
	if _, err := f.get(ctx, p); err == nil { // a failure is for the reader to meet
		f.ahead.loaded(p.cached)
	}
}

// readAhead loads the piece that holds offset, if it is settled and not here.
func (f *Fetcher) readAhead(ctx context.Context, tp record.TopicPartition, offset record.Offset) {
	if f.NoReadAhead || f.ahead.resting() {
		return
	}
	f.inBackground(ctx, func(ctx context.Context) {
		r := Request{Partitions: []Partition{{TopicPartition: tp, Offset: offset, BytesMax: 1}}, BytesMax: 1}
		plans, err := f.plan(r, make([]record.Offset, 1))
		if err != nil || plans[0].doubt != nil || f.locateOne(ctx, &plans[0]) != nil || len(plans[0].pieces) == 0 {
			return
		}
		if p := &plans[0].pieces[0]; p.Settled() && !f.Cache.Has(p.cached) {
			f.getAhead(ctx, p)
		}
	})
}

// ahead says what may be read ahead. Where many read from the past at a time, it is pushed out of the cache before its reader comes, and
// was paid for in vain. So each costs a credit, and two come back when it is used; without any, one in restFor is tried.
type ahead struct {
	turns *semaphore.Weighted
	mu    struct {
		sync.Mutex
		credits int
		skipped int
		unused  map[string]int // what nobody has read yet, to its place in ring
		ring    [64]string     // older ones are forgotten
		next    int
	}
}

const (
	creditsMax = 16
	restFor    = 50
)

func newAhead() *ahead {
	a := &ahead{turns: semaphore.NewWeighted(aheadMax)}
	a.mu.unused, a.mu.credits = map[string]int{}, creditsMax
	return a
}

func (a *ahead) loaded(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if old := a.mu.ring[a.mu.next]; a.mu.unused[old] == a.mu.next {
		delete(a.mu.unused, old)
	}
	a.mu.ring[a.mu.next], a.mu.unused[key] = key, a.mu.next
	a.mu.next = (a.mu.next + 1) % len(a.mu.ring)
	a.mu.credits--
}

// resting says that this one is not to be read ahead.
func (a *ahead) resting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.credits > 0 {
		return false
	}
	a.mu.skipped++
	return a.mu.skipped%restFor != 0
}

// wanted is told of what somebody reads, and whether it was found in the cache.
func (a *ahead) wanted(key string, found bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.mu.unused[key]; !ok {
		return
	}
	if delete(a.mu.unused, key); found {
		a.mu.credits = min(max(a.mu.credits, 0)+2, creditsMax)
	}
}
