package upkeep

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
)

// expireMax is how many producers one record forgets.
const expireMax = 1000

// idAheadMax is how far ids may be ahead of the stamp (core/stream keeps to it).
const idAheadMax = 10 * time.Minute

// Expire writes a record that forgets producers which have been silent for ProducerExpiry. The fold obeys
// the record, never a clock, and only if nothing touched the producer since.
//
// It is written only when the floor has passed every id that could have been
// committed when the producer was last heard of: then no segment of its can come
// late, find it unknown, and be taken for a new one. The floor must have come as far as the expiry, too: a sample that was taken
// elsewhere, by a clock that was behind, looks older than it is, and stamps only grow.
func (u *Upkeep) Expire(ctx context.Context) error {
	s, ok := u.stoodFor(u.ProducerExpiry)
	if !ok {
		return nil
	}
	var found []ledger.Expiry
	var format []byte
	err := u.Stream.View(func(l *ledger.Ledger) {
		format = l.FormatValue()
		if l.Floor() <= s.stamp+coordination.Mark(max(idAheadMax, u.ProducerExpiry).Milliseconds()) {
			return
		}
		l.EachPartition(func(tp record.TopicPartition, p *ledger.Partition) {
			if len(found) < expireMax {
				p.EachIdle(s.rev, func(id record.ProducerID, rev coordination.Revision) {
					found = append(found, ledger.Expiry{Partition: tp, Producer: id, Revision: rev})
				})
			}
		})
	})
	if err != nil || len(found) == 0 {
		return err
	}
	sort.Slice(found, func(i, k int) bool {
		if c := found[i].Partition.Compare(found[k].Partition); c != 0 {
			return c < 0
		}
		return found[i].Producer < found[k].Producer
	})
	return u.writeExpiry(ctx, format, &ledger.Commit{Expiries: found[:min(len(found), expireMax)]})
}

func (u *Upkeep) writeExpiry(ctx context.Context, format []byte, c *ledger.Commit) error {
	id, err := u.Stream.NewID()
	if err != nil {
		return err
	}
	guards := ledger.CommitGuards(u.Keys, id, coordination.MarkOf(id), format)
	res, err := u.KV.Commit(ctx, guards, []coordination.Change{coordination.PutKey(u.Keys.Commit(id), c.Encode())})
	if err != nil {
		return fmt.Errorf("expire %d producers: %w", len(c.Expiries), err)
	}
	if !res.Committed {
		return nil // the next round draws another id
	}
	return u.Stream.WaitRevision(ctx, res.Revision)
}
