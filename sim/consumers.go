package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/sim/linear"
)

// consumer reads on where it was, from any instance, and sometimes asks for the ends.
func (w *world) consumer(ctx context.Context, number int) {
	d := throw(w.seed, "consumer", number, 0, "")
	position := map[record.TopicPartition]record.Offset{}
	for wait(ctx, d.between(w.Think/2, w.Think*3)) {
		in := w.pick(&d)
		if in.gate(&d); in.isDead() || !in.read.CompareAndSwap(false, true) {
			continue // two that are woken by the same news would race for the next barrier
		}
		w.consume(ctx, in, &d, position)
		in.read.Store(false)
	}
}

// consume fetches some partitions, or asks about one.
func (w *world) consume(ctx context.Context, in *instance, d *dice, position map[record.TopicPartition]record.Offset) {
	w.operations.Add(1)
	all := w.judge.Partitions()
	if d.chance(.3) {
		w.ask(ctx, in, all[d.below(len(all))], d)
		return
	}
	var parts []fetch.Partition
	asked := map[record.TopicPartition]bool{}
	acked := map[record.TopicPartition]record.Offset{}
	for range 1 + d.below(3) {
		tp := all[d.below(len(all))]
		if !asked[tp] {
			asked[tp] = true
			_, acked[tp] = w.judge.Acknowledged(tp)
			parts = append(parts, fetch.Partition{TopicPartition: tp, Offset: position[tp], BytesMax: 100 + d.below(5000)})
		}
	}
	isolated, from := d.chance(.5), w.shared.now()
	results := in.fetch.Fetch(ctx, fetch.Request{ReadCommitted: isolated, Partitions: parts, BytesMin: 1, BytesMax: 1 << 20, WaitMax: d.between(0, 400*time.Millisecond)})
	if in.isDead() || ctx.Err() != nil {
		return
	}
	empty := true
	for i, r := range results {
		if isolated {
			w.judge.ReadCommitted(in.name(), parts[i].Offset, &r)
		}
		position[r.TopicPartition] = w.fetched(in, r, parts[i].Offset)
		w.shared.fetched(from, &r, parts[i].Offset)
		empty = empty && len(r.Batches) == 0 && r.Err == nil
	}
	for i := range parts {
		if empty && !isolated {
			w.judge.Empty(in.name(), parts[i].TopicPartition, parts[i].Offset, acked[parts[i].TopicPartition])
			w.shared.note(parts[i].TopicPartition, linear.Op{Kind: linear.Empty, From: from, To: w.shared.now(), Base: int64(parts[i].Offset)})
		}
	}
}

// fetched judges one answer and says where to go on.
func (w *world) fetched(in *instance, r fetch.Result, from record.Offset) record.Offset {
	switch {
	case r.Err == nil:
		return w.judge.Read(in.name(), r.TopicPartition, from, r.Batches)
	case errors.Is(r.Err, fetch.ErrOutOfRange):
		return w.judge.OutOfRange(in.name(), r.TopicPartition, from)
	case errors.Is(r.Err, fetch.ErrUnknownPartition):
		w.judge.ToldUnknown(r.TopicPartition)
	case errors.Is(r.Err, fetch.ErrStorage):
		w.judge.Storage(in.name(), r.TopicPartition, from, r.Err)
	}
	return from
}

// ask looks up the ends of a partition, or an offset by time: all that was acknowledged before must be in the answer.
func (w *world) ask(ctx context.Context, in *instance, tp record.TopicPartition, d *dice) {
	start, acked := w.judge.Acknowledged(tp)
	byTime := d.chance(.4)
	ms := w.transcript.begin.UnixMilli() + int64(d.below(int(time.Since(w.transcript.begin).Milliseconds())+1000))
	var b fetch.Bounds
	var found fetch.Found
	var err error
	if byTime {
		found, err = in.fetch.AtTime(ctx, tp, ms, false)
	} else {
		b, err = w.bounds(ctx, in, tp)
	}
	switch {
	case in.isDead():
	case errors.Is(err, fetch.ErrUnknownPartition):
		w.judge.ToldUnknown(tp)
	case errors.Is(err, fetch.ErrStorage):
		w.judge.Storage(in.name(), tp, math.MaxInt64, err)
	case err == nil && byTime:
		w.judge.FoundAtTime(in.name(), tp, ms, found.Offset, acked)
	case err == nil:
		w.judge.Ends(in.name(), tp, b.LogStart, b.HighWatermark, start, acked)
	}
}

// readAll reads every partition from its log start to its end.
func (w *world) readAll(ctx context.Context, in *instance) {
	for in.stream.Ready() != nil && wait(ctx, 10*time.Millisecond) {
	}
	for _, tp := range w.judge.Partitions() {
		b, err := w.bounds(ctx, in, tp)
		if err != nil {
			w.judge.Stuck("the last reader has no bounds: " + err.Error())
			return
		}
		at := b.LogStart
		for at < b.HighWatermark && ctx.Err() == nil {
			from := w.shared.now()
			r := in.fetch.Fetch(ctx, fetch.Request{Partitions: []fetch.Partition{{TopicPartition: tp, Offset: at, BytesMax: 1 << 20}}, BytesMin: 1, BytesMax: 1 << 20})[0]
			next := w.fetched(in, r, at)
			w.shared.fetched(from, &r, at)
			if next <= at {
				break
			}
			at = next
		}
		if ctx.Err() == nil {
			w.judge.ReadAll(in.name(), tp, b.LogStart, at)
		}
		w.readAnywhere(ctx, in, tp, b)
	}
}

// readAnywhere reads from some offsets of a log that may have gaps: each brings a reader on.
func (w *world) readAnywhere(ctx context.Context, in *instance, tp record.TopicPartition, b fetch.Bounds) {
	d := throw(w.seed, "anywhere", in.number, int(tp.Partition), nameOf(tp))
	for range 4 {
		if w.Aging == (Aging{}) || b.LogStart >= b.HighWatermark || ctx.Err() != nil {
			return
		}
		at := b.LogStart + record.Offset(d.below(int(b.HighWatermark-b.LogStart)))
		r := in.fetch.Fetch(ctx, fetch.Request{Partitions: []fetch.Partition{{TopicPartition: tp, Offset: at, BytesMax: 1 + d.below(2000)}}, BytesMin: 1, BytesMax: 1 << 20})[0]
		if next := w.fetched(in, r, at); next <= at && ctx.Err() == nil {
			w.judge.Stuck(fmt.Sprintf("%s: a reader of %v at %d (%d to %d): %v", in.name(), tp, at, b.LogStart, b.HighWatermark, r.Err))
		}
	}
}
