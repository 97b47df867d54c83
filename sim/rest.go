package sim

import (
	"context"
	"math"
	"time"

	"github.com/firnlog/firnlog/core/ledger"
)

// rest waits until maintenance has come to an end, and looks at what it left.
func (w *world) rest(ctx context.Context) {
	if !wait(ctx, w.Faults.LateMax+3*time.Second) { // slow calls come home, and who was just born reads the log
		return
	}
	if w.queue != nil {
		w.queue.settle(ctx)
	}
	for _, in := range w.all() {
		w.probe(ctx, in)
		w.await(ctx, in.name()+" does not drain", 30*time.Second, func() { _ = in.ingest.Drain(ctx) })
	}
	if !wait(ctx, 2*w.Lag+2*w.CheckpointAge+3*w.SweepEvery+w.SweepGrace+3*time.Second) {
		return
	}
	if wait(ctx, w.TransactionMax) && w.until(ctx, func() bool { return w.judge.Open() == "" }) {
		w.judge.NothingOpen()
	}
	w.expired(ctx)
	w.calm.Store(true)
	// Folders are swept every third time, and what is unreferenced is looked at twice.
	if !wait(ctx, 2*w.Lag+2*w.CheckpointAge+9*w.SweepEvery+2*w.SweepGrace+3*time.Second) {
		return
	}
	w.until(ctx, w.tidy)
	keys, key := w.judge.CommitKeys()
	orphans, orphan := w.judge.Orphans()
	w.judge.AtRest(keys, key, orphans, orphan)
	w.judge.KeepDigest()
	for _, in := range w.all() {
		w.await(ctx, in.name()+" does not follow", 10*time.Second, func() {
			if err := in.stream.Barrier(ctx); err == nil {
				_ = in.stream.View(func(l *ledger.Ledger) { w.judge.Compare(in.name(), l) })
			}
		})
	}
	w.await(ctx, "fsck", 60*time.Second, func() { w.fsck(ctx) })
	fresh := w.born(ctx, w.Instances, 0)
	w.mu.Lock()
	w.mu.instances = append(w.mu.instances, fresh)
	w.mu.Unlock()
	for _, in := range w.all() {
		w.await(ctx, in.name()+" as the last reader", w.long(60*time.Second), func() {
			w.readAll(ctx, in)
			if w.queue != nil {
				w.queue.finish(ctx, in)
			}
		})
	}
}

// expired waits until retention has caught up, and log compaction is through with what it has begun.
func (w *world) expired(ctx context.Context) {
	if w.Aging == (Aging{}) {
		return
	}
	slack := 10*w.Aging.Every + w.Lag + 10*time.Second + w.behind()
	// Log compaction may have dropped just now what kept an object young: retention has another slack to see that.
	if w.within(ctx, w.putOff()+slack, func() bool { return w.judge.Overdue(slack) == "" }) {
		w.judge.NothingOverdue(slack)
	}
	for until := time.Now().Add(40 * slack); w.judge.Walking() != "" && time.Now().Before(until); {
		if !wait(ctx, slack/4) {
			return
		}
	}
	w.judge.NothingWalking()
}

// behind is how far the clocks of all who do such work are behind: what has expired by others' clocks has not by theirs.
func (w *world) behind() time.Duration {
	least := time.Duration(math.MaxInt64)
	for _, in := range w.all() {
		if in.number < w.Settlers {
			least = min(least, max(0, -time.Duration(in.skew.Load())))
		}
	}
	return least
}

// until waits for what clocks that jumped may have put off: the stamp moves at half the speed of time at least, and an id may
// have been ahead of it by as much as they jumped. False: the history is over.
func (w *world) until(ctx context.Context, done func() bool) bool {
	return w.within(ctx, w.putOff(), done)
}

// within waits for something for so long at most. False: the history is over.
func (w *world) within(ctx context.Context, most time.Duration, done func() bool) bool {
	until := time.Now().Add(most)
	for !done() && time.Now().Before(until) {
		if !wait(ctx, w.Lag) {
			return false
		}
	}
	return ctx.Err() == nil
}

// putOff is how long clocks that jumped may put off what is measured against the stamp, such as the time-out of a transaction.
func (w *world) putOff() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return 2 * w.mu.jumps
}

// tidy says that maintenance has left nothing.
func (w *world) tidy() bool {
	keys, _ := w.judge.CommitKeys()
	orphans, _ := w.judge.Orphans()
	return keys <= leftMax && orphans <= leftMax
}
