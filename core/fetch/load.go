package fetch

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlog/firnlog/core/cache"
)

const (
	// objectsMax is how many pieces one fetch loads: segments are loaded whole, and their partitions' spans
	// may be small. What is beyond answers empty this time; sessions rotate their partitions.
	objectsMax = 8
	// coldFetchesMax is how many fetches load from the past at a time, so that what backfills hold in
	// memory is bounded: coldFetchesMax times objectsMax segments.
	coldFetchesMax = 4
)

// patience is how long partitions that have their bytes wait for those that do not.
const patience = 500 * time.Millisecond

// load gets the objects of all plans, each once.
//
// I12: when patience is over, and one plan has all it asked for, the others answer with what they have, and
// their GETs go on into the cache, where the next fetch finds them. While nobody has
// anything, everybody waits. So it is with the turn that loads from the past need; release gives it back when
// the bytes have been copied.
func (f *Fetcher) load(ctx context.Context, plans []plan) (release func()) {
	waiting, enough := context.WithCancel(ctx)
	defer enough()
	var over, served atomic.Bool
	timer := time.AfterFunc(patience, func() {
		if over.Store(true); served.Load() {
			enough()
		}
	})
	defer timer.Stop()
	done := func() {
		if served.Store(true); over.Load() {
			enough()
		}
	}
	left := make([]atomic.Int64, len(plans)) // objects that a plan still needs
	loads, order := f.missing(plans, left, done)
	release, err := f.turn(ctx, loads, served.Load())
	if err != nil {
		order = dropCold(loads, order, err)
	}
	var group errgroup.Group
	group.SetLimit(f.LoadsMax)
	for _, key := range order {
		l := loads[key]
		group.Go(func() error {
			if l.err = waiting.Err(); l.err == nil {
				l.object, l.err = f.get(waiting, l.piece)
			}
			for _, i := range l.plans {
				if l.err == nil && left[i].Add(-1) == 0 {
					done()
				}
			}
			return nil
		})
	}
	_ = group.Wait() // each failure is its partition's
	for i := range plans {
		plans[i].take(loads, ctx.Err() == nil && waiting.Err() != nil)
	}
	return release
}

// errNoTurn: other fetches load from the past, and this one has something else to answer.
var errNoTurn = errors.New("too many fetches load from the past at this time")

// turn waits for a turn to load from the past, if that is needed; not at all when there is something to answer without.
func (f *Fetcher) turn(ctx context.Context, loads map[string]*loading, served bool) (release func(), err error) {
	cold := false
	for _, l := range loads {
		cold = cold || l.piece.heat == cache.Cold
	}
	release = func() { f.cold.Release(1) }
	switch {
	case !cold:
		return func() {}, nil
	case f.cold.TryAcquire(1):
		return release, nil
	case served:
		return func() {}, errNoTurn
	}
	if err := f.cold.Acquire(ctx, 1); err != nil {
		return func() {}, err
	}
	return release, nil
}

// dropCold gives up what there was no turn for.
func dropCold(loads map[string]*loading, order []string, err error) (kept []string) {
	for _, key := range order {
		if l := loads[key]; l.piece.heat == cache.Cold {
			l.err = err
		} else {
			kept = append(kept, key)
		}
	}
	return kept
}

// loading is one piece on its way, or a segment for several.
type loading struct {
	piece  *piece
	plans  []int // by index; a plan with several spans of it several times
	object *cache.Object
	err    error
}

// missing fills in what the cache has, and lists the rest by key and in the order of the request: what was
// asked for first is loaded first. done is called for each plan that lacks nothing.
func (f *Fetcher) missing(plans []plan, left []atomic.Int64, done func()) (loads map[string]*loading, order []string) {
	loads = map[string]*loading{}
	for i := range plans {
		p := &plans[i]
		p.objects = make([]*cache.Object, len(p.pieces))
		for k := range p.pieces {
			key := p.pieces[k].cached
			if key == "" {
				continue
			}
			if o, ok := f.Cache.Lookup(key); ok {
				if p.objects[k] = o; p.sequential {
					f.ahead.wanted(key, true)
				}
				continue
			}
			if loads[key] == nil && len(order) == objectsMax {
				p.objects, p.pieces, p.failed = p.objects[:k], p.pieces[:k], nil
				break
			}
			if loads[key] == nil {
				loads[key] = &loading{piece: &p.pieces[k]}
				f.ahead.wanted(key, false)
				order = append(order, key)
			}
			loads[key].plans = append(loads[key].plans, i)
			left[i].Add(1)
			p.lacked = true
		}
		if len(p.pieces) > 0 && left[i].Load() == 0 {
			done()
		}
	}
	return loads, order
}

// take keeps what was loaded before the first failure. What was not waited for is none.
func (p *plan) take(loads map[string]*loading, impatient bool) {
	for k := range p.pieces {
		if p.objects[k] != nil || p.pieces[k].cached == "" {
			continue
		}
		l := loads[p.pieces[k].cached]
		if p.objects[k] = l.object; l.err == nil {
			continue
		}
		p.objects, p.pieces, p.failed = p.objects[:k], p.pieces[:k], nil
		if !errors.Is(l.err, errNoTurn) && (!impatient || !errors.Is(l.err, context.Canceled)) {
			p.failed = l.err
		}
		return
	}
}
