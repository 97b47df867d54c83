package deliver

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/firnlog/firnlog/core/consume"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
)

const (
	retryMin    = 200 * time.Millisecond
	retryMax    = 5 * time.Second
	throttleMin = 100 * time.Millisecond
	throttleMax = 10 * time.Second
)

// lane takes one portion to the function.
type lane struct {
	place consume.Place // as it was when the portion was read
	plan  *Plan
	frame frame
	leave atomic.Bool // the partition goes to somebody else: no further batch
	// unburied is of Run: letters of the lane are not durable, so nothing from there on may be committed.
	unburied bool
}

// news is what a lane tells Run, which alone speaks with the group and the dead-letter topic.
type news struct {
	lane      *lane
	through   record.Offset
	delivered int
	letters   []Letter
	buried    chan error // holds one; answered when there are letters
	ended     bool
	blocked   error // the partition stands still from here on
}

// counts are shared by lanes.
type counts struct {
	invocations, failed, throttled atomic.Int64
	slowest                        atomic.Int64 // ns
}

// drive runs a lane to its end: until all is done, its time is over, or it cannot go on.
func (d *run) drive(ctx context.Context, l *lane) {
	err := d.batches(ctx, l)
	if ctx.Err() != nil {
		err = nil // its time is over: nothing is known against the partition
	}
	d.news <- news{lane: l, through: l.plan.Through(), ended: true, blocked: err}
}

func (d *run) batches(ctx context.Context, l *lane) error {
	waits, failures := 0, 0 // in a row
	for batch := l.plan.Next(); batch != nil; batch = l.plan.Next() {
		if l.leave.Load() || ctx.Err() != nil {
			return nil
		}
		if batch[0].JSON == nil {
			if err := d.settle(l, 0, l.plan.TooLarge(tooLarge(d.Rule.BytesMax))); err != nil {
				return err
			}
			continue
		}
		if !d.timeLeft(ctx) {
			d.outOfTime.Store(true)
			return nil
		}
		answer, err := d.invoke(ctx, l.frame.event(batch))
		taken, dead, failed, err := l.judge(batch, answer, err, d.Rule)
		if err := d.settle(l, taken, dead); err != nil { // also when time is over: the plan is past these
			return err
		}
		var wait time.Duration
		switch {
		case errors.Is(err, ErrRefused) || ctx.Err() != nil:
			return err
		case errors.Is(err, ErrThrottled):
			d.throttled.Add(1)
			wait, waits = d.jitter(pause.Backoff(waits, throttleMin, throttleMax)), waits+1
		case err != nil:
			d.Log.Warn("the function's service cannot be had now", "partition", l.name(), "error", err)
			wait, waits = d.jitter(pause.Backoff(waits, retryMin, retryMax)), waits+1
		case failed:
			d.failed.Add(1)
			wait, waits, failures = d.jitter(pause.Backoff(failures, retryMin, retryMax)), 0, failures+1
		default:
			waits, failures = 0, 0
		}
		if len(dead) > 0 {
			wait, failures = 0, 0
		}
		if wait > 0 && pause.For(ctx, wait) != nil {
			return nil
		}
	}
	return nil
}

// judge says what an invocation means for the plan: how many records it took, which are given up, and whether it failed. An error is of the
// service, not of records.
func (l *lane) judge(batch []Record, answer []byte, err error, rule Rule) (taken int, dead []Letter, failed bool, _ error) {
	var of *FunctionError
	switch {
	case errors.As(err, &of):
		why := Failure{ReasonFunctionError, of.Message}
		if of.TimedOut {
			why.Reason = ReasonTimeout
		}
		return 0, l.plan.Failed(why), true, nil
	case errors.Is(err, ErrTooLarge):
		return 0, l.plan.TooLarge(tooLarge(rule.BytesMax)), false, nil
	case err != nil:
		return 0, nil, false, err
	}
	first, partly, bad := readAnswer(answer, l.name(), batch)
	switch {
	case bad:
		return 0, l.plan.Failed(Failure{ReasonBadAnswer, fmt.Sprintf("batchItemFailures names what was not in the batch: %s", clip(string(answer)))}), true, nil
	case partly:
		taken, dead = l.plan.FailedAt(first, Failure{ReasonNamed, "the function named the record in batchItemFailures"})
		return taken, dead, true, nil
	}
	l.plan.Delivered()
	return len(batch), nil, false, nil
}

func tooLarge(bytesMax int) Failure {
	return Failure{ReasonTooLarge, fmt.Sprintf("the record alone is larger than an event may be, %d bytes in base64 and JSON", bytesMax)}
}

// settle tells how far the lane came, and waits until what it gives up is durable.
func (d *run) settle(l *lane, taken int, dead []Letter) error {
	if taken == 0 && len(dead) == 0 {
		return nil
	}
	n := news{lane: l, through: l.plan.Through(), delivered: taken, letters: dead, buried: make(chan error, 1)}
	d.news <- n
	if len(dead) == 0 {
		return nil
	}
	return <-n.buried // Run answers whatever it is told
}

// invoke invokes the function, and learns how long that takes.
func (d *run) invoke(ctx context.Context, payload []byte) ([]byte, error) {
	begin := d.Now()
	d.invocations.Add(1)
	answer, err := d.Target.Invoke(ctx, payload)
	if took := int64(d.Now().Sub(begin)); err == nil {
		for {
			if old := d.slowest.Load(); took <= old || d.slowest.CompareAndSwap(old, took) {
				break
			}
		}
	}
	return answer, err
}

// timeLeft says that an invocation may be begun: one that is cut off runs on to its end, and its records are delivered again.
func (d *run) timeLeft(ctx context.Context) bool {
	end, limited := ctx.Deadline()
	return !limited || end.Sub(d.Now()) >= max(d.Reserve, time.Duration(d.slowest.Load()))
}

// jitter is between half of t and t.
func (d *run) jitter(t time.Duration) time.Duration {
	return t/2 + time.Duration(d.Random()*float64(t/2))
}

func (l *lane) name() string { return PartitionName(l.place.Topic, l.place.Partition) }
