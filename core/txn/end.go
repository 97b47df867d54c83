package txn

import (
	"context"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

// End is EndTxn. With bump (KIP-890) it gives the identity of the next transaction, else the one it got.
func (c *Coordinator) End(ctx context.Context, id string, who Identity, commit, bump bool) (Identity, error) {
	now := nobody
	err := c.update(ctx, id, func(s *State, ms int64) (step, error) {
		what, err := s.judgeEnd(who, commit, bump)
		if err != nil {
			return step{}, err
		}
		if what == endDone {
			now = s.Identity
			return step{}, nil
		}
		st, err := c.ending(ctx, id, s, what, commit, bump, ms)
		now = s.Identity
		return st, err
	})
	if err != nil {
		return nobody, err
	}
	return now, nil
}

// ending closes what is open.
func (c *Coordinator) ending(ctx context.Context, id string, s *State, what ending, commit, bump bool, ms int64) (step, error) {
	fresh, err := c.fresh(ctx, bump && s.needsProducer())
	if err != nil {
		return step{}, err
	}
	st := step{next: s}
	if what == endOpen {
		st.ended = s.marker(commit, bump, ms)
	}
	groups := s.Groups
	s.end(commit, bump, fresh)
	err = c.settle(ctx, id, &st, groups, commit)
	return st, err
}

// complete replaces the partitions by those that this instance has seen open (only without rule TxnRegister).
func (c *Coordinator) complete(m *ledger.Marker) {
	if rule.On(rule.TxnRegister) || m == nil {
		return
	}
	m.Partitions = nil
	// An instance that has read nothing ends nothing: the rule is off.
	_ = c.View.View(func(l *ledger.Ledger) {
		l.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
			if p.IsOpen(m.Producer) {
				m.Partitions = append(m.Partitions, tp)
			}
		})
	})
	slices.SortFunc(m.Partitions, record.TopicPartition.Compare)
}

// AbortProducer aborts the open transaction of a producer, whatever its transactional id, and fences it: what an
// administrator does to one that hangs. Nothing open is no error.
func (c *Coordinator) AbortProducer(ctx context.Context, who Identity) error {
	all, err := c.all(ctx)
	if err != nil {
		return err
	}
	for id, found := range all {
		if found.Producer != who.Producer {
			continue
		}
		return c.update(ctx, id, func(s *State, ms int64) (step, error) {
			switch {
			case s == nil || s.Producer != who.Producer || s.Phase != Ongoing:
				return step{}, nil
			case s.Epoch != who.Epoch:
				return step{}, fmt.Errorf("epoch %d, the transaction has %d: %w", who.Epoch, s.Epoch, ErrFenced)
			}
			return c.abort(ctx, id, s, ms)
		})
	}
	return c.abortOrphan(ctx, who)
}

// abort ends a transaction over its producer's head: who it was is not remembered.
func (c *Coordinator) abort(ctx context.Context, id string, s *State, ms int64) (step, error) {
	st, err := c.ending(ctx, id, s, endOpen, false, true, ms)
	s.Last = nil
	return st, err
}
