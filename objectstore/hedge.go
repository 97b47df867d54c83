package objectstore

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Hedge sends a second, identical GET when the first takes much longer than GETs of its kind usually do, and gives the answer
// that comes first. It is for readers who wait: put it around a Meter, so that the second GET is counted and paid for like any other, and
// below a Retry, whose every attempt is then hedged by itself. Put, List and Delete go through as they are.
//
// The flow of a Get:
//
//  1. Until hedgeLearned GETs of its class (class, in usual.go) were seen there is nothing to compare with: it goes through as it is.
//  2. Else it runs beside a timer of the class's patience: the 95th percentile of the last GETs and an eighth more, twice their
//     median, and hedgeMin, whichever is most. So a store that is fast, or always takes about the same time, never sees a second GET.
//  3. When the time is up the second GET is sent, if admit has credit for it, few of the last GETs failed, and few others are on
//     their way. If not, the first is waited for: there is no second chance.
//  4. The first answer ends it; the other GET is cancelled with ErrOvertaken, and what it may still bring is dropped. "Not found" is an
//     answer. A failure is none while the other GET is on its way; when both failed, the first one's error is returned.
//
// Invariants:
//   - Of all GETs at most one in hedgeCost is a second one, counted from the start: credit comes from GETs only.
//   - At most hedgesMax pairs are on their way at a time, from the second GET until the slower one of both has let go of its
//     memory: so many answers may be in memory beyond those that were asked for.
//   - When ctx ends, both end; Get returns when they have.
//
// What a first GET took that was overtaken is not known; it counts with the time until it was. That is more than the patience of its class
// and thereby than the percentile, which stays what it would have been.
//
// Rejected: a fixed delay (it would be wrong for most stores, and for most sizes); sending both at once (twice the money); a second GET
// right after a failure (that is Retry's, which waits first).
type Hedge struct {
	Store
	clock     Clock
	sent, won atomic.Int64
	mu        struct {
		sync.Mutex
		usual  map[class]*usual
		credit int    // from GETs; a second one costs hedgeCost
		out    int    // pairs on their way
		failed uint64 // of the last 64 GETs that ended, a bit for each that failed
	}
}

const (
	hedgeMin       = 20 * time.Millisecond // no second GET is sent before that, however fast the store is
	hedgeCost      = 20                    // GETs for each second one: 5 %
	hedgeCreditMax = 10 * hedgeCost        // second GETs that may follow each other at once
	hedgesMax      = 4
	hedgeFailures  = 6 // of the last 64 GETs, with which second ones still make sense
)

// ErrOvertaken is why a GET was cancelled: another one for the same bytes was answered first. It is a context.Canceled.
var ErrOvertaken = fmt.Errorf("%w: another GET of the same was answered first", context.Canceled)

// Overtaken says that ctx ended for this reason, so that a failure under it means nothing.
func Overtaken(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrOvertaken) }

// NewHedge wraps store.
func NewHedge(store Store, clock Clock) *Hedge {
	h := &Hedge{Store: store, clock: clock}
	h.mu.usual = map[class]*usual{}
	return h
}

// Hedges is how many second GETs were sent so far, and how many of them were answered first.
func (h *Hedge) Hedges() (sent, won int64) { return h.sent.Load(), h.won.Load() }

// Get is Store's, by one GET or two.
func (h *Hedge) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	r := &race{h: h, class: classOf(key, offset, length), started: h.clock.Now()}
	r.get = func(ctx context.Context) ([]byte, error) { return h.Store.Get(ctx, key, offset, length) }
	patience, known := h.begin(r.class)
	if known {
		return r.run(ctx, patience)
	}
	data, err := r.get(ctx)
	r.note(ctx, answer{data: data, err: err})
	return data, err
}

// begin takes credit for a GET, and says how long to wait for it.
func (h *Hedge) begin(c class) (patience time.Duration, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.credit = min(h.mu.credit+1, hedgeCreditMax)
	if u := h.mu.usual[c]; u != nil {
		return u.patience, u.patience > 0
	}
	return 0, false
}

// admit says that a second GET may be sent. It must be released.
func (h *Hedge) admit() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.credit < hedgeCost || h.mu.out == hedgesMax || bits.OnesCount64(h.mu.failed) > hedgeFailures {
		return false
	}
	h.mu.credit -= hedgeCost
	h.mu.out++
	h.sent.Add(1)
	return true
}

func (h *Hedge) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.out--
}

// learn takes how a GET ended, and what the first one of its race took. 0: that says nothing.
func (h *Hedge) learn(c class, failed bool, took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.failed <<= 1
	if failed {
		h.mu.failed |= 1
	}
	if took <= 0 {
		return
	}
	u := h.mu.usual[c]
	if u == nil {
		if len(h.mu.usual) == classesMax {
			return
		}
		u = &usual{}
		h.mu.usual[c] = u
	}
	u.add(took)
}

// race is one Get.
type race struct {
	h       *Hedge
	class   class
	started time.Time
	get     func(ctx context.Context) ([]byte, error)
}

// answer is the end of one of its GETs.
type answer struct {
	data   []byte
	err    error
	second bool
}

// answered: the store has said what there is.
func (a *answer) answered() bool {
	return a.err == nil || errors.Is(a.err, ErrNotFound) || errors.Is(a.err, ErrRange)
}

// run gives the first answer.
func (r *race) run(ctx context.Context, patience time.Duration) ([]byte, error) {
	racing, end := context.WithCancelCause(ctx)
	defer end(ErrOvertaken)
	answers := make(chan answer, 2)
	send := func(second bool) {
		data, err := r.get(racing)
		answers <- answer{data, err, second}
	}
	due := make(chan struct{})
	go func() {
		if r.h.clock.Sleep(racing, patience) == nil {
			close(due)
		}
	}()
	go send(false)
	running, hedged := 1, false
	var failure answer
	for {
		select {
		case <-due:
			due = nil
			if len(answers) > 0 || !r.h.admit() {
				continue
			}
			running, hedged = running+1, true
			go send(true)
		case a := <-answers:
			running--
			r.note(ctx, a)
			if !a.answered() && (failure.err == nil || !a.second) {
				failure = a
			}
			switch {
			case a.answered():
				r.over(&a, running, hedged, answers)
				return a.data, a.err
			case running == 0:
				r.over(&failure, running, hedged, answers)
				return nil, failure.err
			}
		}
	}
}

// over counts who was first, and releases the pair when the other one has ended too.
func (r *race) over(a *answer, running int, hedged bool, answers <-chan answer) {
	if a.second && a.answered() {
		r.h.won.Add(1)
	}
	switch {
	case !hedged:
	case running == 0:
		r.h.release()
	default:
		go func() {
			<-answers
			r.h.release()
		}()
	}
}

// note learns from the end of a GET. That who asked gave up says nothing; a deadline does.
func (r *race) note(ctx context.Context, a answer) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	took := time.Duration(0)
	if a.err == nil {
		took = r.h.clock.Now().Sub(r.started)
	}
	r.h.learn(r.class, !a.answered(), took)
}
