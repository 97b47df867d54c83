package maintain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/fsck"
	"github.com/firnlog/firnlog/core/sweep"
	"github.com/firnlog/firnlog/core/upkeep"
)

// state is what visits leave for each other, in one key. One that is lost, damaged, or of another era, is an empty one.
type state struct {
	Era string `json:"era"`
	By  string `json:"by"` // the environment that wrote it
	// Samples are what the log looked like when: how long a stamp has stood, and a producer been silent.
	Samples []upkeep.Sample `json:"samples,omitempty"`
	// Tried and Done say in ms when a step was begun, and when it last came to its end.
	Tried map[string]int64 `json:"tried"`
	Done  map[string]int64 `json:"done"`
	// Recent and Settled are where rounds of sweep go on.
	Recent  sweep.Progress `json:"recent,omitzero"`
	Settled sweep.Progress `json:"settled,omitzero"`
	Scrub   *fsck.Place    `json:"scrub,omitempty"`

	mod coordination.Revision
}

// recall reads the state.
func (m *Maintainer) recall(ctx context.Context, era string) (*state, error) {
	snap, err := m.KV.Get(ctx, m.keys.Upkeep())
	if err != nil {
		return nil, fmt.Errorf("read what is remembered: %w", err)
	}
	s := &state{}
	if it := snap.Items[0]; it.Create != 0 {
		if err := json.Unmarshal(it.Value, s); err != nil || s.Era != era {
			m.Log.Info("what was remembered counts for nothing", "era", s.Era, "error", err)
			s = &state{}
		}
		s.mod = it.Mod
	}
	if s.Tried == nil {
		s.Tried = map[string]int64{}
	}
	if s.Done == nil {
		s.Done = map[string]int64{}
	}
	s.Era = era
	return s, nil
}

// remember writes it. Another visit that has written meanwhile remembers as well as this one: its state stays.
func (m *Maintainer) remember(ctx context.Context, s *state, format []byte) error {
	s.By = m.by
	value, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode what is remembered: %w", err)
	}
	key := m.keys.Upkeep()
	res, err := m.KV.Commit(ctx, []coordination.Guard{coordination.ModIs(key, s.mod), coordination.ValueIs(m.keys.Format(), format)},
		[]coordination.Change{coordination.PutKey(key, value)}, key)
	switch {
	case errors.Is(err, coordination.ErrUnknown), err == nil && !res.Committed:
		snap, err2 := m.KV.Get(ctx, key)
		if err2 != nil {
			return fmt.Errorf("remember: %w", errors.Join(err, err2))
		}
		s.mod = snap.Items[0].Mod // the next time goes over it
		return nil
	case err != nil:
		return fmt.Errorf("remember: %w", err)
	}
	s.mod = res.Revision
	return nil
}

// age is how long ago a step last came to its end; one that never did is as old as can be. A time of the future counts for none.
func (s *state) age(name string, now time.Time) time.Duration {
	at, ok := s.Done[name]
	if !ok || at > now.UnixMilli() {
		return time.Duration(1 << 62)
	}
	return now.Sub(time.UnixMilli(at))
}

// tried is when a step was last begun, in ms. A time of the future counts for none: a clock was wrong.
func (s *state) tried(name string, now time.Time) int64 {
	if at := s.Tried[name]; at <= now.UnixMilli() {
		return at
	}
	return 0
}
