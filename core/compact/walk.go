package compact

import (
	"context"
	"time"

	"github.com/firnlog/firnlog/core/manifest"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
	"github.com/firnlog/firnlog/core/topic"
)

// walk is one compaction of a partition, or what a step does of it.
type walk struct {
	*Compactor
	job      *job
	until    time.Time
	progress manifest.Compaction // as the root has it
	report   Report

	chooser chooser
	group   group
}

// run notes the keys of the dirty part, then rewrites the log from where the walk is.
func (w *walk) run(ctx context.Context) error {
	w.progress = w.job.progress
	goal, err := w.learn(ctx)
	if err != nil {
		return err
	}
	end := record.Offset(0)
	for it, err := range w.items(ctx, w.job, w.job.start) {
		if err != nil {
			return err
		}
		if it.Base < goal.Through {
			end = it.End
		}
	}
	now := w.Now()
	w.chooser = chooser{
		keys: w.keys, through: goal.Through, end: end, txns: w.txns,
		now: now.UnixMilli(), horizon: horizonAt(now, topic.TombstoneRetention(w.job.topic)), encoders: &w.encoders,
	}
	defer func() { w.report.RecordsDropped = w.chooser.dropped }()
	return w.rewrite(ctx, goal)
}

// learn fills the map of keys: for the walk that is under way, or for a new one.
func (w *walk) learn(ctx context.Context) (goal manifest.Compaction, err error) {
	goal = w.progress
	limit := w.job.limit
	if goal.UnderWay() {
		limit = goal.Through
	} else {
		goal.Done = w.job.start
	}
	same := w.of == walked{w.job.tp, goal}
	w.of = walked{} // until this step has come to an end of its own
	if goal.UnderWay() && same {
		return goal, nil // a step of the same walk, in this process
	}
	w.txns = newTransactions(goal.Done <= w.job.start)
	w.keys.clear()
	goal.Through, err = w.fill(ctx, max(goal.Clean, w.job.start), limit)
	return goal, err
}

// fill notes keys from from on, and gives the offset up to which they are all noted.
func (w *walk) fill(ctx context.Context, from, limit record.Offset) (record.Offset, error) {
	txns := newTransactions(true)
	txns.know(w.job.aborted, from)
	for it, err := range w.items(ctx, w.job, from) {
		if err != nil {
			return 0, err
		}
		if it.Base >= limit {
			break
		}
		txns.know(it.aborted, it.Base)
		for b, err := range w.batches(ctx, w.job, &it) {
			if err != nil {
				return 0, err
			}
			full, err := w.note(b, txns, from, limit)
			if err != nil || full >= 0 {
				return full, err
			}
		}
	}
	return limit, nil
}

// note adds the keys of a batch. full is the offset of the first one for which there is no room, or -1.
func (w *walk) note(b []byte, txns *transactions, from, limit record.Offset) (full record.Offset, err error) {
	h, err := record.ReadHeader(b)
	if err != nil || h.IsControl() || h.LastOffset() < from || h.BaseOffset >= limit || txns.isAborted(h) && rule.On(rule.CompactCommitted) {
		return -1, err
	}
	for r, err := range record.Records(b, record.DecompressedBytesMax) {
		if err != nil {
			return -1, err
		}
		at := h.OffsetOf(r)
		if r.Key == nil || at < from || at >= limit {
			continue
		}
		if !w.keys.put(r.Key, at) {
			return at, nil
		}
	}
	return -1, nil
}

// rewrite goes through the items in the order of offsets and swaps them group by group. The last swap ends the walk.
func (w *walk) rewrite(ctx context.Context, goal manifest.Compaction) error {
	final := manifest.Compaction{Clean: goal.Through, Through: goal.Through}
	w.chooser.txns.know(w.job.aborted, goal.Done)
	w.group = group{walk: w, goal: goal}
	for it, err := range w.items(ctx, w.job, goal.Done) {
		if err != nil {
			return err
		}
		if it.Base >= goal.Through {
			break
		}
		if len(w.group.items) > 0 && (it.inHead != w.group.items[0].inHead || w.group.bytes >= w.Bytes || w.apart(w.group.items[0].MaxTimestamp, it.MaxTimestamp)) {
			if err := w.pause(ctx); err != nil {
				return err
			}
		}
		if len(w.group.items) == 0 && w.group.goal.Done > goal.Done && w.Now().After(w.until) {
			return w.leave(ctx)
		}
		w.chooser.txns.know(it.aborted, it.Base)
		if err := w.take(ctx, it); err != nil {
			return err
		}
	}
	if err := w.group.swap(ctx, final); err != nil {
		return err
	}
	if w.progress != final {
		if err := w.group.note(ctx, final); err != nil {
			return err
		}
	}
	w.of = walked{}
	w.report.Finished = true
	return nil
}

// windows is how many objects a partition has at least whose topic has retention.ms, if it has records of all that time.
const windows = 8

// apart says that two items expire at different times, and so are not put together: an object expires as a whole, with its newest
// record. Were old ones put together with young ones whenever there are some, nothing of a small partition would ever expire.
func (w *walk) apart(a, b int64) bool {
	age, timed := topic.RetentionTime(w.job.topic)
	window := max(age/windows, time.Minute).Milliseconds()
	return timed && a/window != b/window
}

// pause ends a group, so that the walk could be left here.
func (w *walk) pause(ctx context.Context) error {
	last := w.group.items[len(w.group.items)-1]
	next := w.group.goal
	next.Done = last.End
	if err := w.group.swap(ctx, next); err != nil {
		return err
	}
	w.group = group{walk: w, goal: next}
	return nil
}

// leave notes where to go on; this process need not learn the keys again.
func (w *walk) leave(ctx context.Context) error {
	if w.progress != w.group.goal {
		if err := w.group.note(ctx, w.group.goal); err != nil {
			return err
		}
	}
	w.of = walked{w.job.tp, w.progress}
	return nil
}

// take compacts one item into the group. A large entry of which nothing went stays where it is.
func (w *walk) take(ctx context.Context, it item) error {
	var kept [][]byte
	size, changed := int64(0), it.inHead
	for b, err := range w.batches(ctx, w.job, &it) {
		if err != nil {
			return err
		}
		w.report.BytesIn += int64(len(b))
		out, err := w.chooser.batch(b)
		if err != nil {
			return err
		}
		if len(out) == 0 || &out[0] != &b[0] {
			changed = true
		}
		if len(out) > 0 {
			kept = append(kept, out)
			size += int64(len(out))
		}
	}
	if !changed && size >= w.Bytes/2 && len(w.group.items) > 0 {
		if err := w.pause(ctx); err != nil {
			return err
		}
	}
	w.group.add(it, kept, size, changed)
	if !changed && size >= w.Bytes/2 {
		return w.pause(ctx)
	}
	return nil
}
