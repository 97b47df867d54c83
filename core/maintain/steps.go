package maintain

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/sweep"
)

// step is one kind of maintenance.
type step struct {
	name  string
	every time.Duration
	needs time.Duration // that a visit must have left, to begin it
	heavy bool          // it may take all the time that there is
	do    func(context.Context) error
}

// errMore: a step has done a part; the next visit goes on.
var errMore = errors.New("there is more to do")

// errShort: nothing more could be begun in the time that was left.
var errShort = errors.New("there is not enough time for the rest")

// urgent are the steps of every visit: they keep etcd small, and safe to trim.
func (v *visit) urgent() []step {
	return []step{
		{name: "stamp", do: v.upkeep.RaiseStamp}, {name: "floor", do: v.raiseFloor},
		{name: "checkpoint", do: v.upkeep.Checkpoint}, {name: "trim", do: v.upkeep.Trim},
	}
}

// raiseFloor also says how far the floor lies behind.
func (v *visit) raiseFloor(ctx context.Context) error {
	err := v.upkeep.RaiseFloor(ctx)
	_ = v.stream.View(func(l *ledger.Ledger) { v.report.CommitsBehindMs = max(0, v.Now().UnixMilli()-int64(l.Floor())) }) // not ready: not said
	return err
}

// soon are small steps that wait for nothing large.
func (v *visit) soon() []step {
	var out []step
	if v.JournalEvery > 0 {
		out = append(out, step{name: "journal", every: v.JournalEvery, do: v.written.WriteJournal})
	}
	if v.BackupEvery > 0 {
		out = append(out, step{name: "backup", every: min(v.BackupEvery, time.Minute*5), do: v.written.TakeIfDue})
	}
	return out
}

const (
	minute = time.Minute
	// uncancelled is how long steps may go on that do not let go of what they have begun to write.
	uncancelled = 6 * time.Second
	second      = time.Second
)

// dueNow are the steps that may take long, and are due: the one that was tried longest ago first.
func (v *visit) dueNow() []step {
	all := []step{
		{name: "transactions", needs: uncancelled, do: v.txns.Expire},
		{name: "settle", heavy: true, needs: second, do: v.doSettle},
		{name: "retain", every: 10 * minute, heavy: true, needs: second, do: v.doRetain},
		{name: "compact", every: 10 * minute, heavy: true, needs: v.takes(v.SettleBytes), do: v.doCompact},
		{name: "expire", every: 10 * minute, needs: second, do: v.upkeep.Expire},
		{name: "chill", every: time.Hour, heavy: true, needs: v.takes(2 * v.SettleBytes), do: v.doChill},
		{name: "sweep", every: v.SweepEvery, heavy: true, needs: second, do: v.doSweep(sweep.Recent, &v.state.Recent)},
		{name: "sweep settled", every: v.SettledEvery, heavy: true, needs: second, do: v.doSweep(sweep.Settled, &v.state.Settled)},
	}
	if v.SettleAge == 0 || v.SettleBytes == 0 {
		all = slices.DeleteFunc(all, func(s step) bool { return s.name == "settle" })
	}
	if !v.brokers {
		all = append(all, step{name: "members", needs: uncancelled, do: v.doMembers}, step{name: "groups", every: 10 * minute, needs: uncancelled, do: v.doGroups})
	}
	if v.ScrubRate > 0 {
		all = append(all, step{name: "scrub", every: 10 * minute, heavy: true, needs: second, do: v.doScrub})
	}
	now := v.Now()
	all = slices.DeleteFunc(all, func(s step) bool { return v.state.age(s.name, now) < s.every })
	slices.SortStableFunc(all, func(a, b step) int { return cmp.Compare(v.state.tried(a.name, now), v.state.tried(b.name, now)) })
	return all
}

// doSettle does jobs until nothing is due that fits into the time left.
func (v *visit) doSettle(ctx context.Context) error {
	err := v.settle.Run(ctx)
	switch {
	case err != nil || v.report.SettleLeftForBytes == 0:
		return err
	case v.report.SettledBytes > 0:
		return errMore
	}
	return errShort
}

func (v *visit) doRetain(ctx context.Context) error {
	for {
		err := v.retain.Step(ctx)
		v.report.RetentionOverdue, _ = v.retain.Overdue()
		if err != nil || !v.retain.Behind() {
			return err
		}
	}
}

// doCompact stops between two groups of a walk when there is no time for one more.
func (v *visit) doCompact(ctx context.Context) error {
	for {
		left := v.end.Sub(v.Now()) - v.takes(v.SettleBytes)
		if left <= 0 {
			return errMore
		}
		v.compact.StepMax = left
		if more, err := v.compact.Step(ctx); err != nil || !more {
			return err
		}
	}
}

func (v *visit) doChill(ctx context.Context) error {
	for {
		left := v.end.Sub(v.Now()) - v.takes(2*v.SettleBytes)
		if left <= 0 {
			return errMore
		}
		v.chill.BytesMax = max(1, int64(left.Seconds()*float64(v.BytesPerSecond)))
		more, err := v.chill.Step(ctx)
		v.report.ColdRefused = v.chill.Refused()
		if err != nil || !more {
			return err
		}
	}
}

// doSweep goes on with a round. A part of the time is kept to write down what was found.
func (v *visit) doSweep(kind sweep.Kind, at *sweep.Progress) func(context.Context) error {
	return func(ctx context.Context) error {
		until := v.Now().Add(v.end.Sub(v.Now()) * 3 / 4)
		to, through, err := v.sweep.Visit(ctx, kind, *at, until)
		*at = to
		if err == nil && !through {
			return errMore
		}
		return err
	}
}

// doMembers puts members out whose seats are gone.
func (v *visit) doMembers(ctx context.Context) error {
	n, err := v.tender.Tend(ctx)
	v.report.MembersOut += n
	return err
}

// doGroups lets go of offsets that have expired, and of groups without members. With a broker alive this is its.
func (v *visit) doGroups(ctx context.Context) error {
	for {
		more, err := v.groups.ExpireOffsets(ctx)
		if err != nil || !more {
			return err
		}
		if v.end.Sub(v.Now()) < uncancelled {
			return errMore
		}
	}
}

// doScrub reads what is due since it was last done, as far as there is time.
func (v *visit) doScrub(ctx context.Context) error {
	if v.state.Scrub != nil {
		v.scrub.GoOn(*v.state.Scrub)
	}
	since := min(v.state.age("scrub", v.Now()), time.Hour)
	v.scrub.StepBytes = max(scrubGetBytes, int64(since.Seconds()*float64(v.ScrubRate)))
	v.scrub.For = v.end.Sub(v.Now()) / 2
	err := v.scrub.Step(ctx)
	if place := v.scrub.Place(); err == nil && !place.Round.IsZero() {
		v.state.Scrub = &place
	}
	return err
}
