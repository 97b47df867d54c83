package ingest

import (
	"context"
	"sync"
)

// Pending are the batches of one request on their way.
type Pending struct {
	mu struct {
		sync.Mutex
		outcomes []Outcome
		open     []bool // not known yet
		left     int
	}
	done  chan struct{}
	drive func(ctx context.Context) // nil: Run does
}

func newPending(n int) *Pending {
	p := &Pending{done: make(chan struct{})}
	p.mu.outcomes = make([]Outcome, n)
	p.mu.open = make([]bool, n)
	for i := range n {
		p.mu.outcomes[i] = Outcome{Err: ErrUnknown, Base: -1, AppendTime: -1}
		p.mu.open[i] = true
	}
	p.mu.left = n
	if n == 0 {
		close(p.done)
	}
	return p
}

// resolve sets one outcome; the first word stands.
func (p *Pending) resolve(i int, o Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.open[i] {
		return
	}
	p.mu.outcomes[i], p.mu.open[i] = o, false
	if p.mu.left--; p.mu.left == 0 {
		close(p.done)
	}
}

// Done is closed when all outcomes are known.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Wait gives the outcomes in the order of Add. When ctx ends first, those not yet
// known are ErrUnknown: the batches go on their way all the same.
func (p *Pending) Wait(ctx context.Context) []Outcome {
	if p.drive != nil {
		p.drive(ctx)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Outcome(nil), p.mu.outcomes...)
}
