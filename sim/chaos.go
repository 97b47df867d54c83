package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
)

// chaos pauses, kills, cuts off, compacts and makes weather until busy ends.
func (w *world) chaos(busy, ctx context.Context) {
	d := throw(w.seed, "chaos", 0, 0, "")
	for wait(busy, d.between(w.ChaosEvery/2, w.ChaosEvery*3/2)) {
		switch n := d.below(15); {
		case n < 3:
			w.pick(&d).pause(d.between(100*time.Millisecond, w.PauseMax))
		case n < 5:
			w.pick(&d).cut(d.between(50*time.Millisecond, w.long(4*time.Second)))
		case n < 7:
			w.killOne(ctx, &d)
		case n < 10:
			w.compact(ctx, &d)
		default:
			w.weather(&d)
		}
	}
}

// killOne kills an instance, and lets it be born again soon.
func (w *world) killOne(ctx context.Context, d *dice) {
	if len(w.all()) < 2 {
		return
	}
	in := w.pick(d)
	soft := time.Duration(0)
	if d.chance(.5) {
		soft = d.between(time.Millisecond, 100*time.Millisecond)
	}
	w.killed(ctx, in, d, soft)
}

// killed kills it, which is born again some time after.
func (w *world) killed(ctx context.Context, in *instance, d *dice, soft time.Duration) {
	w.transcript.note(time.Now(), in.number, "kill", fmt.Sprint(in.life), "")
	in.kill(soft)
	after := d.between(10*time.Millisecond, w.long(3*time.Second))
	time.AfterFunc(after, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.quiet.Load() && ctx.Err() == nil && w.mu.instances[in.number] == in {
			w.mu.instances[in.number] = w.born(ctx, in.number, in.life+1)
		}
	})
}

// compact forgets the history of the KV but for some revisions.
func (w *world) compact(ctx context.Context, d *dice) {
	snap, err := w.kv.Get(ctx)
	if err != nil {
		return
	}
	to := snap.Revision - coordination.Revision(d.below(120))
	err = w.kv.Compact(ctx, to)
	w.transcript.note(time.Now(), -1, "compact", fmt.Sprint(to), fmt.Sprint(err == nil))
}

// audit bootstraps ledgers, bare of any instance, at revisions whose state the judge has kept.
func (w *world) audit(ctx context.Context) {
	d := throw(w.seed, "audit", 0, 0, "")
	for wait(ctx, d.between(w.long(500*time.Millisecond), w.long(3*time.Second))) {
		at := w.judge.Sampled()
		if at == 0 {
			continue
		}
		page, err := w.kv.List(ctx, coordination.Range{Prefix: w.keys.Log(), At: at})
		if err != nil {
			continue // compacted
		}
		loader := ledger.NewLoader(w.keys)
		if err = loader.Add(page.Items); err == nil {
			var l *ledger.Ledger
			if l, err = loader.Done(at, ledger.Observer{}); err == nil {
				w.judge.Compare("a bootstrap", l)
			}
		}
		if err != nil {
			w.judge.Stuck("bootstrap fails: " + err.Error())
		}
	}
}
