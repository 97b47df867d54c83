package maintain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/core/duty"
	"github.com/firnlog/firnlog/core/stream"
)

const (
	timeMax = 15 * time.Minute // of a visit without a deadline
	// dutyTTL is for how long after the death of a visit others leave the duty to it; it is renewed meanwhile.
	dutyTTL = 20 * time.Second
	// leaveMax is the last part of the margin.
	leaveMax = 300 * time.Millisecond
)

// visit is one of them, on its way.
type visit struct {
	*Maintainer
	*parts
	state  *state
	format []byte
	end    time.Time // of everything but writing down how far it came
	report *Report
}

// Visit does what is due, most urgent first, for as long as ctx lasts. An error says that it could do nothing; what went wrong with
// single steps stands in the report.
func (m *Maintainer) Visit(ctx context.Context) (*Report, error) {
	began := m.Now()
	end, limited := ctx.Deadline()
	if left := time.Until(end); limited { // by ctx's clock, then by ours
		end = began.Add(left)
	} else {
		end = began.Add(timeMax)
	}
	ctx, cancel := context.WithTimeout(ctx, end.Sub(began)-m.Margin)
	defer cancel()
	v := &visit{Maintainer: m, end: end.Add(-m.Margin - m.Reserve), report: &Report{Failed: map[string]string{}}}
	err := v.follow(ctx)
	v.report.Ms = m.Now().Sub(began).Milliseconds()
	if err != nil {
		return v.report, err
	}
	m.Log.Info("maintenance", "report", v.report)
	return v.report, nil
}

// follow reads the log, and follows it while the steps are done; not where somebody else is at it, since reading all of it takes longest.
func (v *visit) follow(ctx context.Context) error {
	snap, err := v.KV.Get(ctx, v.keys.Lease("upkeep"))
	if err != nil {
		return fmt.Errorf("look who does the upkeep: %w", err)
	}
	if it := snap.Items[0]; it.Create != 0 {
		v.report.HeldBy = string(it.Value)
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	follower := stream.New(stream.Settings{KV: v.KV, Keys: v.keys, Now: v.Now, Entropy: v.Entropy, Log: v.Log.With("part", "stream"), MayBegin: v.MayBegin})
	over := make(chan struct{})
	go func() {
		defer close(over)
		cancel(follower.Run(ctx)) // what it says is why nothing can be done
	}()
	defer func() {
		cancel(nil)
		<-over
	}()
	if err := follower.WaitRevision(ctx, 1); err != nil {
		return fmt.Errorf("read the log: %w", errors.Join(err, context.Cause(ctx)))
	}
	return v.onDuty(ctx, follower)
}

// onDuty does the steps if nobody else is at it: a broker, or another visit.
func (v *visit) onDuty(ctx context.Context, follower *stream.Stream) error {
	d := duty.New(duty.Settings{KV: v.KV, Key: v.keys.Lease("upkeep"), Holder: v.Holder, TTL: dutyTTL, Now: v.Now})
	if !d.Held(ctx) {
		snap, err := v.KV.Get(ctx, v.keys.Lease("upkeep"))
		if err != nil {
			return fmt.Errorf("claim the upkeep: %w", err)
		}
		v.report.HeldBy = string(snap.Items[0].Value)
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for t := time.NewTicker(dutyTTL / 4); ; {
			select {
			case <-ctx.Done():
				t.Stop()
				d.LeaveWithin(leaveMax)
				return
			case <-t.C:
				d.Held(ctx) // lost: two are at work, which is harmless
			}
		}
	}()
	defer func() {
		cancel()
		<-over
	}()
	var err error
	if v.state, err = v.recall(ctx, follower.ClusterID()); err != nil {
		return err
	}
	v.format = follower.FormatValue()
	if v.parts, err = v.build(ctx, follower, v.state.By); err != nil {
		return err
	}
	v.upkeep.Recall(v.state.Era, v.state.Samples)
	v.upkeep.Observe()
	return v.all(ctx)
}

// all does the urgent steps, then those that take long.
func (v *visit) all(ctx context.Context) error {
	failed := 0
	for _, s := range v.urgent() {
		if !v.one(ctx, s) {
			failed++
		}
	}
	v.upkeep.Observe()
	v.note(ctx)
	if failed == len(v.urgent()) {
		return fmt.Errorf("no step of maintenance could be done: %s", v.report.Failed["stamp"])
	}
	for _, s := range v.soon() {
		if v.state.age(s.name, v.Now()) >= s.every {
			v.one(ctx, s)
		}
	}
	v.large(ctx)
	v.note(ctx)
	return nil
}

// large does the steps that take long: of those that are due the one that was tried longest ago first, while there is time.
func (v *visit) large(ctx context.Context) {
	for _, s := range v.dueNow() {
		left := v.end.Sub(v.Now())
		if left < s.needs {
			v.report.postpone(s.name, v.state.age(s.name, v.Now()), s.needs)
			continue
		}
		v.state.Tried[s.name] = v.Now().UnixMilli()
		if s.heavy {
			v.note(ctx) // should this visit be killed in it, others come first in the next one
		}
		v.one(ctx, s)
	}
}

// one does a step in what time there is, and says whether it came to its end.
func (v *visit) one(ctx context.Context, s step) bool {
	began := v.Now()
	if !began.Before(v.end) {
		v.report.postpone(s.name, v.state.age(s.name, began), 0)
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, v.end.Sub(began))
	defer cancel()
	err := s.do(ctx)
	v.report.did(s.name, v.Now().Sub(began), err)
	switch {
	case err == nil:
		v.state.Done[s.name] = began.UnixMilli()
	case errors.Is(err, errShort):
		v.report.postpone(s.name, v.state.age(s.name, began), time.Duration(v.report.SettleLeftForMillis)*time.Millisecond)
	case errors.Is(err, errMore):
		v.report.postpone(s.name, v.state.age(s.name, began), 0)
	case ctx.Err() != nil:
		v.report.postpone(s.name, v.state.age(s.name, began), 0)
	default:
		v.Log.Warn("maintenance step failed, it will be tried again", "step", s.name, "error", err)
	}
	return err == nil
}

// note writes down how far the visit has come.
func (v *visit) note(ctx context.Context) {
	if era, samples := v.upkeep.History(); era == v.state.Era {
		v.state.Samples = samples
	}
	if err := v.remember(ctx, v.state, v.format); err != nil {
		v.report.Failed["remember"] = err.Error()
		v.Log.Warn("what was done is not written down", "error", err)
	}
}
