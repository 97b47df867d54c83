package settle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/reference"
)

// doing is a job at work.
type doing struct {
	s      *Settler
	job    *job
	loader *loader
	shared output
	ready  []*work // whose shared bytes are all in objects, or in the one being built
	report Report
}

// do runs a job: each partition in turn is read, checked and written; as soon as an object is put, the references of the
// partitions that are complete with it are swapped. What cannot be read stops its own stretch of offsets alone.
//
// moved is false when nothing came of it, so that a plan that comes to nothing is not made again at once.
func (s *Settler) do(ctx context.Context, j *job) (moved bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	d := &doing{s: s, job: j, loader: newLoader(&s.Settings, j), report: Report{Kind: j.kind}}
	defer d.loader.group.Wait()
	defer cancel()
	d.loader.start(ctx, s.LoadsMax)
	d.shared = output{place: ledger.InShared, target: d.target(func(w *work) bool { return !w.own })}
	defer func() {
		d.report.Gets, d.report.BytesIn = d.loader.gets, d.loader.bytes
		if s.Observe != nil {
			s.Observe(d.report)
		}
	}()
	for _, w := range j.works {
		if w.own {
			err = d.own(ctx, w)
		} else {
			err = d.share(ctx, w)
		}
		if err != nil {
			return d.report.Partitions > 0, err
		}
	}
	err = d.flush(ctx)
	return d.report.Partitions > 0, err
}

// target divides what goes to one kind of object evenly: each has Bytes at least, if there are so many.
func (d *doing) target(counts func(*work) bool) int64 {
	total := int64(0)
	for _, w := range d.job.works {
		if counts(w) {
			total += w.bytes
		}
	}
	return even(total, d.s.Bytes)
}

func even(total, least int64) int64 { n := max(total/least, 1); return (total + n - 1) / n }

// own writes a partition to objects of its own.
func (d *doing) own(ctx context.Context, w *work) error {
	o := &output{place: ledger.InOwn, tp: w.tp, target: even(w.bytes, d.s.Bytes)}
	for _, r := range w.runs {
		if err := d.run(ctx, w, r, o); err != nil {
			return err
		}
	}
	if err := d.put(ctx, o); err != nil {
		return err
	}
	return d.swap(ctx, []*work{w})
}

// share writes a partition to the shared object.
func (d *doing) share(ctx context.Context, w *work) error {
	for _, r := range w.runs {
		if err := d.run(ctx, w, r, &d.shared); err != nil {
			return err
		}
	}
	d.ready = append(d.ready, w)
	if d.shared.size() >= d.shared.target {
		return d.flush(ctx)
	}
	return nil
}

// flush puts the shared object and swaps what is complete with it.
func (d *doing) flush(ctx context.Context) error {
	if err := d.put(ctx, &d.shared); err != nil {
		return err
	}
	ready := d.ready
	d.ready = nil
	return d.swap(ctx, ready)
}

func (d *doing) put(ctx context.Context, o *output) error {
	bytes, err := d.s.put(ctx, o)
	if err != nil {
		return fmt.Errorf("put settled object: %w", err)
	}
	if bytes > 0 {
		d.report.Puts++
		d.report.BytesOut += bytes
	}
	return nil
}

// run copies one run. An object of one partition is cut where it has its bytes; a shared one is not cut within a partition.
func (d *doing) run(ctx context.Context, w *work, r *run, o *output) error {
	now := stretch{base: r.spans[0].Base}
	tier := d.job.tier
	if w.own {
		tier = 0
		for i := range r.spans {
			tier = max(tier, r.spans[i].Tier)
		}
		tier++
	}
	for i := range r.spans {
		span := &r.spans[i]
		err := d.s.stamped(ctx, d.loader, span, func(h record.Header, b []byte) error {
			h, b = d.s.recompress(w.topic, h, b)
			if w.own && now.bytes > 0 && o.size()+now.bytes >= o.target {
				if err := o.add(w.tp, r, tier, &now, h.BaseOffset); err != nil {
					return err
				}
				if err := d.put(ctx, o); err != nil {
					return err
				}
				now = stretch{base: h.BaseOffset}
			}
			now.batches = append(now.batches, b)
			now.bytes += int64(len(b))
			now.offsets += int64(h.LastOffsetDelta) + 1
			return nil
		})
		if errors.Is(err, errDamaged) {
			r.failed = true
			return d.damaged(ctx, w.tp, span, err)
		}
		if err != nil {
			return err
		}
	}
	return o.add(w.tp, r, tier, &now, r.spans[len(r.spans)-1].End)
}

// damaged notes what cannot be read, unless somebody has replaced it meanwhile.
func (d *doing) damaged(ctx context.Context, tp record.TopicPartition, span *ledger.Span, cause error) error {
	if err := d.s.Stream.Barrier(ctx); err != nil {
		return err
	}
	still := false
	err := d.s.Stream.View(func(l *ledger.Ledger) {
		still = slices.ContainsFunc(l.Partition(tp).Stored(), func(s ledger.Span) bool { return s.Segment == span.Segment && s.Base == span.Base })
	})
	if err == nil && still {
		d.report.Damaged++
		d.s.noteDamage(tp, span.Segment)
		d.s.Log.Error("stored bytes cannot be read: this partition is not settled here, everything else goes on; run fsck",
			"partition", tp, "object", span.Key(tp), "offset", span.Base, "error", cause)
	}
	return err
}

// swap makes heads refer to what was put.
func (d *doing) swap(ctx context.Context, works []*work) error {
	var changes []reference.Change
	for _, w := range works {
		c := reference.Change{Partition: w.tp}
		for _, r := range w.runs {
			if !r.failed {
				c.Remove, c.Insert = append(c.Remove, r.spans...), append(c.Insert, r.into...)
			}
		}
		if len(c.Remove) > 0 {
			changes = append(changes, c)
		}
	}
	outcomes, err := d.s.swapper.Swap(ctx, changes)
	for i, o := range outcomes {
		switch o {
		case reference.Swapped:
			d.report.Partitions++
		case reference.Open:
		default:
			d.report.LeftOut++
			d.s.Log.Debug("settled bytes are not referred to", "partition", changes[i].Partition, "outcome", o)
		}
	}
	return err
}
