package txn

import (
	"context"
	"fmt"
	"time"
)

// Init is InitProducerId with a transactional id: a new epoch, or a new producer, and everybody before it is fenced. have is what
// the client had (KIP-360); its Producer below 0: nothing.
func (c *Coordinator) Init(ctx context.Context, id string, timeoutMs int32, have Identity) (Identity, error) {
	if timeoutMs <= 0 || time.Duration(timeoutMs)*time.Millisecond > c.TimeoutMax {
		return nobody, fmt.Errorf("%d ms, the limit is %v: %w", timeoutMs, c.TimeoutMax, ErrTimeout)
	}
	now := nobody
	err := c.update(ctx, id, func(s *State, ms int64) (step, error) {
		fresh, err := c.fresh(ctx, s.needsProducer())
		if err != nil {
			return step{}, err
		}
		var groups []string
		if s != nil {
			groups = s.Groups
		}
		changed, ended, next, err := s.initialize(have, timeoutMs, fresh, ms)
		if err != nil {
			return step{}, err
		}
		if now = next.Identity; !changed {
			return step{}, nil
		}
		st := step{next: next, ended: ended}
		err = c.settle(ctx, id, &st, groups, false)
		return st, err
	})
	if err != nil {
		return nobody, err
	}
	return now, nil
}

// settle adds what the end of a transaction does to the offsets of its groups.
func (c *Coordinator) settle(ctx context.Context, id string, st *step, groups []string, commit bool) error {
	c.complete(st.ended)
	for _, g := range groups {
		guards, changes, err := c.Offsets.SettlePending(ctx, g, id, commit)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		st.guards = append(st.guards, guards...)
		st.changes = append(st.changes, changes...)
	}
	return nil
}
