package upkeep

import (
	"context"
	"fmt"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/rule"
)

// RaiseStamp moves the stamp to this clock. Where the clock is behind, since one that was fast for a moment has moved the
// stamp, it moves by half of the time that has passed: what is measured against the stamp (time-outs of transactions,
// expiry, what is swept) goes on, and clocks catch up. Ids take their time from it, so it must move for the floor to follow.
func (u *Upkeep) RaiseStamp(ctx context.Context) error {
	var stamp coordination.Mark
	var format []byte
	if err := u.Stream.View(func(l *ledger.Ledger) { stamp, format = l.Stamp(), l.FormatValue() }); err != nil {
		return err
	}
	return u.raise(ctx, format, u.Keys.Stamp(), u.pace(stamp))
}

// pace is what the stamp shall be now. Several instances may raise it, each time by a little: so half of the time is reckoned from when this
// one first found its clock behind, not from the last raise.
func (u *Upkeep) pace(stamp coordination.Mark) coordination.Mark {
	now := u.Now()
	u.mu.Lock()
	defer u.mu.Unlock()
	if clock := coordination.Mark(now.UnixMilli()); clock > stamp {
		u.mu.behind = sample{}
		return clock
	}
	half := func() coordination.Mark {
		return u.mu.behind.stamp + coordination.Mark(now.Sub(u.mu.behind.at).Milliseconds()/2)
	}
	if b := &u.mu.behind; b.at.IsZero() || stamp < b.stamp || stamp > half()+1000 {
		u.mu.behind = sample{at: now, stamp: stamp} // or another clock was fast and moved it beyond what was reckoned, or this is another era
	}
	return max(half(), stamp+1)
}

// RaiseFloor moves the floor to just below the newest stamp that has stood for the lag, as seen by this
// process: every id drawn since then is at or above that stamp (a slow clock draws the stamp
// itself), so above the floor. From then on no id at or below it may be committed, which is what makes
// trimming and sweeping safe.
func (u *Upkeep) RaiseFloor(ctx context.Context) error {
	s, ok := u.stoodFor(u.Lag)
	if !ok {
		return nil
	}
	var floor coordination.Mark
	var format []byte
	if err := u.Stream.View(func(l *ledger.Ledger) { floor, format = l.Floor(), l.FormatValue() }); err != nil {
		return err
	}
	to := s.stamp - 1
	if to <= floor && rule.On(rule.FloorMonotone) {
		return nil
	}
	return u.raise(ctx, format, u.Keys.Floor(), to)
}

// raise sets a mark if it is lower: a paused instance must not turn it back.
func (u *Upkeep) raise(ctx context.Context, format []byte, key string, to coordination.Mark) error {
	guards := []coordination.Guard{coordination.ValueBelow(key, to.Bytes())}
	if !rule.On(rule.FloorMonotone) {
		guards = nil
	}
	if _, err := u.commit(ctx, format, guards, []coordination.Change{coordination.PutKey(key, to.Bytes())}); err != nil {
		return fmt.Errorf("raise %s: %w", key, err)
	}
	return nil
}
