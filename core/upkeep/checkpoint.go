package upkeep

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
)

const (
	// headsMax keeps a checkpoint below etcd's 128 operations: a guard a head, one a topic, one for the format.
	headsMax = 60
	// collectMax is how many heads are collected at a time: each time all that are due are sorted, which at 100,000 takes tens of milliseconds.
	collectMax = 20 * headsMax
	// checkpointBytesMax keeps it below etcd's 1.5 MiB a request.
	checkpointBytesMax = 1 << 20
)

// headWrite is one head on its way to etcd.
type headWrite struct {
	tp       record.TopicPartition
	key      string
	head     *ledger.Head
	mod      coordination.Revision
	topicKey string
	topicMod coordination.Revision
	format   []byte // of the era that it is of
}

// Checkpoint writes the heads of partitions named by commits that are older than CheckpointAge: the
// state as this instance has folded it, as of one revision. It writes no objects.
//
// A head is written only over the one that this state was built on (its mod
// revision), and only while its topic lives. As-of moves forward, since the ledger that has folded the
// present head is at or beyond that head's as-of.
func (u *Upkeep) Checkpoint(ctx context.Context) error {
	s, ok := u.stoodFor(u.CheckpointAge)
	if !ok {
		return nil
	}
	for {
		writes, more, err := u.heads(s.rev, func(record.TopicPartition) bool { return true })
		if err != nil || len(writes) == 0 {
			return err
		}
		done, err := u.writeHeads(ctx, writes)
		if err != nil || !done || !more {
			return err
		}
	}
}

// heads collects some of those that are wanted, longest uncovered first.
func (u *Upkeep) heads(through coordination.Revision, wanted func(record.TopicPartition) bool) (writes []headWrite, more bool, err error) {
	err = u.Stream.View(func(l *ledger.Ledger) {
		var due []record.TopicPartition
		l.EachDirty(func(tp record.TopicPartition, p *ledger.Partition) {
			if p.DirtySince() <= through && wanted(tp) {
				due = append(due, tp)
			}
		})
		sort.Slice(due, func(i, k int) bool {
			a, b := l.Partition(due[i]).DirtySince(), l.Partition(due[k]).DirtySince()
			return a < b || a == b && due[i].Compare(due[k]) < 0
		})
		more = len(due) > collectMax
		for _, tp := range due[:min(len(due), collectMax)] {
			t, ok := l.TopicByID(tp.Topic)
			if !ok {
				continue
			}
			p := l.Partition(tp)
			h := p.Head(l.Revision())
			if !rule.On(rule.ExpireByRecord) {
				h.Producers = u.notIdle(h.Producers)
			}
			writes = append(writes, headWrite{tp, u.Keys.Head(tp.Topic, tp.Partition), h, p.HeadMod(), u.Keys.Topic(t.Name), t.Mod, l.FormatValue()})
		}
	})
	return writes, more, err
}

// writeHeads writes as many heads as fit, the rest in further transactions. done is false when somebody else
// moved one of them, or one is too large: the next round goes on from there.
func (u *Upkeep) writeHeads(ctx context.Context, writes []headWrite) (done bool, err error) {
	whole := true
	for len(writes) > 0 {
		var guards []coordination.Guard
		var changes []coordination.Change
		topics := map[string]bool{}
		n, bytes := 0, 0
		for ; n < min(len(writes), headsMax); n++ {
			w := &writes[n]
			value := w.head.Encode()
			if bytes += len(value); n > 0 && bytes > checkpointBytesMax {
				break
			}
			guards = append(guards, coordination.ModIs(w.key, w.mod))
			if !topics[w.topicKey] {
				topics[w.topicKey] = true
				guards = append(guards, coordination.ModIs(w.topicKey, w.topicMod))
			}
			changes = append(changes, coordination.PutKey(w.key, value))
		}
		done, err := u.commit(ctx, writes[0].format, guards, changes)
		switch {
		case n == 1 && errors.Is(err, coordination.ErrTooLarge):
			u.Log.Error("a head is too large for etcd: the commits of this partition stay until it is settled", "key", writes[0].key, "bytes", bytes)
			if u.TooLarge != nil {
				u.TooLarge(writes[0].tp)
			}
			writes, whole = writes[1:], false
			continue
		case err != nil:
			return false, fmt.Errorf("checkpoint %d heads of %d bytes: %w", n, bytes, err)
		case !done:
			return false, nil
		}
		writes = writes[n:]
	}
	return whole, nil
}

// notIdle drops producers by this instance's clock (only without rule ExpireByRecord).
func (u *Upkeep) notIdle(all []ledger.HeadProducer) (kept []ledger.HeadProducer) {
	s, ok := u.stoodFor(u.ProducerExpiry)
	for _, p := range all {
		if !ok || p.Revision > s.rev {
			kept = append(kept, p)
		}
	}
	return kept
}
