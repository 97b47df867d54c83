package stream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/rule"
)

// progressEvery is how often progress is asked for: etcd drops the request
// silently when the watch is not synced.
const progressEvery = 20 * time.Millisecond

// barrierTimeout bounds one round; who waits gets ErrNotReady then.
const barrierTimeout = 5 * time.Second

// barriers shares rounds: one round serves all who asked before it started.
type barriers struct {
	sync.Mutex
	running, next *round
	watcher       coordination.Watcher
}

type round struct {
	done chan struct{}
	err  error
}

func (b *barriers) use(w coordination.Watcher) {
	b.Lock()
	b.watcher = w
	b.Unlock()
}

// Barrier returns once the ledger holds everything that was acknowledged anywhere before the
// call: a linearizable read gives revision R, then the watch must have come to R. A Stream that visits reads what it wants.
//
// A round that is already running may have read R before this call, so its result is
// not good enough: callers join the next one.
func (s *Stream) Barrier(ctx context.Context) error {
	if !rule.On(rule.BarrierBeforeRefusal) {
		return nil
	}
	if s.Visits {
		return s.read(ctx, 0)
	}
	b := &s.barriers
	b.Lock()
	var mine *round
	switch {
	case b.running == nil:
		mine = &round{done: make(chan struct{})}
		b.running = mine
		go s.runBarriers(mine)
	case b.next == nil:
		b.next = &round{done: make(chan struct{})}
		mine = b.next
	default:
		mine = b.next
	}
	b.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-mine.done:
		return mine.err
	}
}

// runBarriers runs rounds, r first, until nobody waits. Whether it goes on is decided where the next round
// is taken: were that asked again later, a caller in between would start a second
// one of these, and both would run the same round.
func (s *Stream) runBarriers(r *round) {
	b := &s.barriers
	for r != nil {
		ctx, cancel := context.WithTimeout(context.Background(), barrierTimeout)
		started := s.Now()
		r.err = s.barrier(ctx)
		cancel()
		if s.Barriered != nil {
			s.Barriered(s.Now().Sub(started), r.err)
		}
		b.Lock()
		done := r
		b.running, b.next = b.next, nil
		r = b.running
		b.Unlock()
		close(done.done)
	}
}

func (s *Stream) barrier(ctx context.Context) error {
	before := s.applied()
	snap, err := s.KV.Get(ctx, s.Keys.Format())
	if err != nil {
		return fmt.Errorf("barrier: %w: %w", ErrNotReady, err)
	}
	if err := s.sameEtcd(&snap, before); err != nil {
		select { // opening the watch anew finds the same
		case s.another <- struct{}{}:
		default:
		}
		return fmt.Errorf("barrier: %w: %w", ErrNotReady, err)
	}
	s.lag.Store(max(int64(snap.Revision-s.applied()), 0))
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		advanced := s.whenAdvanced()
		if s.applied() >= snap.Revision {
			return nil
		}
		select {
		case <-ctx.Done():
			s.nudge()
			return fmt.Errorf("barrier at revision %d: %w: %w", snap.Revision, ErrNotReady, ctx.Err())
		case <-advanced:
		case <-t.C:
			s.barriers.Lock()
			w := s.barriers.watcher
			s.barriers.Unlock()
			if w != nil {
				_ = w.RequestProgress(ctx) // dropped or failed: asked again
			}
			t.Reset(progressEvery)
		}
	}
}

// Behind is how many revisions the ledger had not seen yet when the last barrier began, those of others' keys included.
func (s *Stream) Behind() int64 { return s.lag.Load() }
