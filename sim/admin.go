package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/topic"
	"github.com/firnlog/firnlog/core/upkeep"
	"github.com/firnlog/firnlog/sim/linear"
)

// createTopics makes the topics before the faults begin: t0 stays, t1 is deleted and
// created again, t2 grows.
func (w *world) createTopics(ctx context.Context) {
	d := throw(w.seed, "topics", 0, 0, "")
	for i := range 3 {
		for wait(ctx, d.between(time.Millisecond, 20*time.Millisecond)) {
			limit, cancel := context.WithTimeout(ctx, 5*time.Second) // an instance may be killed behind any of its calls, and then nothing tells it
			_, err := w.pick(&d).topics.Create(limit, topic.Spec{Name: fmt.Sprintf("t%d", i), Partitions: int32(1 + d.below(2)), ReplicationFactor: 1, Configs: w.configs(&d)}, false)
			cancel()
			if err == nil || errors.Is(err, topic.ErrExists) {
				break
			}
		}
	}
}

// administer deletes, creates and grows topics, and deletes records.
func (w *world) administer(ctx context.Context) {
	d := throw(w.seed, "admin", 0, 0, "")
	for wait(ctx, d.between(w.long(100*time.Millisecond), w.long(1500*time.Millisecond))) {
		w.operations.Add(1)
		in := w.pick(&d)
		limit, cancel := context.WithTimeout(ctx, 5*time.Second)
		switch n := d.below(12); {
		case n == 0:
			if gone, err := in.topics.Delete(limit, "t1"); err == nil && !in.isDead() {
				w.judge.ToldDeleted(gone.ID)
			}
			fallthrough
		case n == 1:
			made, err := in.topics.Create(limit, topic.Spec{Name: "t1", Partitions: int32(1 + d.below(3)), ReplicationFactor: 1, Configs: w.configs(&d)}, false)
			if err == nil && !in.isDead() {
				w.judge.ToldCreated(made.ID)
			}
		case n == 2 && w.Aging != (Aging{}):
			w.alter(limit, in, &d)
			fallthrough
		case n == 2:
			_, _ = in.topics.Grow(limit, "t2", int32(2+d.below(4)), false) // refused where it does not grow
		default:
			w.deleteRecords(limit, in, &d)
		}
		cancel()
	}
}

// deleteRecords moves the log start of some partition.
func (w *world) deleteRecords(ctx context.Context, in *instance, d *dice) {
	all := w.others()
	if len(all) == 0 {
		return
	}
	tp := all[d.below(len(all))]
	_, before := w.judge.Acknowledged(tp)
	if keep := d.below(60); int(before) > keep {
		before -= record.Offset(keep)
	}
	o := linear.Op{Kind: linear.Delete, From: w.shared.now(), To: linear.Never, Base: int64(before), End: linear.Unknown}
	w.judge.Asks(tp, before)
	start, err := in.upkeep.DeleteRecords(ctx, tp, before)
	if err == nil && !in.isDead() {
		o.To, o.End = w.shared.now(), int64(start)
	}
	w.shared.note(tp, o)
	switch {
	case in.isDead():
	case err == nil:
		w.judge.RecordsDeleted(tp, before, start)
	case errors.Is(err, upkeep.ErrUnknownPartition):
		w.judge.ToldUnknown(tp)
	}
}
