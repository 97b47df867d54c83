package txn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/instance"
	"github.com/firnlog/firnlog/core/ledger"
)

// pageKeys is how many transactional ids are read at a time.
const pageKeys = 500

// all reads every transactional id.
func (c *Coordinator) all(ctx context.Context) (map[string]*State, error) {
	out := map[string]*State{}
	r := coordination.Range{Prefix: c.Keys.Transactions(), Limit: pageKeys}
	for {
		page, err := c.KV.List(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("%w: list transactions: %w", ErrUnavailable, err)
		}
		for _, item := range page.Items {
			id, ok := c.Keys.ParseTransaction(item.Key)
			if !ok {
				continue
			}
			s, err := decodeState(item.Value)
			if err != nil {
				c.Log.Warn("transaction left out of a list", "transaction", id, "error", err)
				continue
			}
			out[id] = s
		}
		if !page.More {
			return out, nil
		}
		r.After = page.Items[len(page.Items)-1].Key
	}
}

// List gives the transactional ids whose clients are sent to this instance: administrators ask all, and each id is told once.
func (c *Coordinator) List(ctx context.Context) (map[string]*State, error) {
	out, err := c.all(ctx)
	if err != nil {
		return nil, err
	}
	live, self := c.Cluster.Live(), c.Cluster.Self()
	for id := range out {
		if in, ok := instance.PreferredFor(live, id); ok && in.Node != self {
			delete(out, id)
		}
	}
	return out, nil
}

// Describe gives one transactional id. ErrUnknownID: there is none.
func (c *Coordinator) Describe(ctx context.Context, id string) (*State, error) {
	s, _, err := c.read(ctx, id)
	if err == nil && s == nil {
		err = fmt.Errorf("%q: %w", id, ErrUnknownID)
	}
	return s, err
}

// NowMs is the time against which the age of transactions is measured: the stamp, which is the same for all instances.
func (c *Coordinator) NowMs() (ms int64) {
	_ = c.View.View(func(l *ledger.Ledger) { ms = int64(l.Stamp()) }) // 0 while not ready: nothing is old
	return ms
}

// Expire aborts transactions that have taken longer than their producers said, and forgets ids that were not used for
// IDRetention. Any instance may do it, also two at once.
func (c *Coordinator) Expire(ctx context.Context) error {
	now := c.NowMs()
	if now == 0 {
		return nil
	}
	all, err := c.all(ctx)
	if err != nil {
		return err
	}
	c.look(all, now)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		found := all[id]
		if !found.overdue(now) && !c.unused(found, now) {
			continue
		}
		err := c.update(ctx, id, func(s *State, ms int64) (step, error) {
			switch {
			case s == nil:
			case s.overdue(now):
				c.Log.Info("transaction timed out and is aborted", "transaction", id, "producer", s.Producer, "epoch", s.Epoch)
				return c.abort(ctx, id, s, ms)
			case c.unused(s, now):
				return step{remove: true}, nil
			}
			return step{}, nil
		})
		if err != nil {
			c.Log.Warn("transaction not expired, it will be tried again", "transaction", id, "error", err)
		}
	}
	return ctx.Err()
}

func (c *Coordinator) unused(s *State, now int64) bool {
	return s.Phase != Ongoing && now-s.UsedMs > c.IDRetention.Milliseconds()
}

// look notes how many transactions are open, and for how long the oldest is.
func (c *Coordinator) look(all map[string]*State, now int64) {
	open, oldest := int64(0), int64(0)
	for _, s := range all {
		if s.Phase == Ongoing {
			open++
			oldest = max(oldest, now-s.StartedMs)
		}
	}
	c.open.Store(open)
	c.oldestMs.Store(oldest)
}

// Open is how many transactions were open when Expire looked last, and the age of the oldest of them.
func (c *Coordinator) Open() (n int64, oldest time.Duration) {
	return c.open.Load(), time.Duration(c.oldestMs.Load()) * time.Millisecond
}
