package reference

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/pause"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/rule"
	"github.com/firnlog/firnlog/core/stream"
)

const (
	// HeadsMax is how many changes share a transaction: a guard a head and one a topic stay below etcd's 128 operations.
	HeadsMax = 40
	// bytesMax keeps it below etcd's 1.5 MiB a request.
	bytesMax = 1 << 20
	// triesMax is how often heads are read again: a checkpoint comes between once or twice, not ten times.
	triesMax = 10
)

// Swap makes the changes, up to HeadsMax in one transaction, and says of each what became of it. Each is right by
// itself, so it does not matter which of them share a transaction.
//
//  1. Read the heads, their topics, floor and format in etcd, at one revision. What is in memory may be behind.
//  2. A head that names what is new: an earlier try succeeded. One that has not what should go: left out.
//  3. Put the others with just these references swapped, guarded by the revision of head and topic, by the
//     floor (no new object is at or below it, so that sweep has not judged it) and by the format.
//  4. A guard failed (a checkpoint, as a rule), or the outcome is unknown: from 1. again.
//
// With an error those that are still Open may be in by now or not: making the same changes again is harmless.
func (s *Swapper) Swap(ctx context.Context, changes []Change) ([]Outcome, error) {
	out := make([]Outcome, len(changes))
	seen := map[record.TopicPartition]bool{}
	for i := range changes {
		if tp := changes[i].Partition; seen[tp] {
			return out, fmt.Errorf("swap references of %v/%d: %w", tp.Topic, tp.Partition, ErrTwice)
		}
		seen[changes[i].Partition] = true
	}
	for at := 0; at < len(changes); at += HeadsMax {
		to := min(at+HeadsMax, len(changes))
		if err := s.some(ctx, changes[at:to], out[at:to]); err != nil {
			return out, err
		}
	}
	return out, nil
}

// some makes as many changes as fit into one transaction at a time.
func (s *Swapper) some(ctx context.Context, changes []Change, out []Outcome) error {
	for try := 0; try < triesMax; try++ {
		t, err := s.prepare(ctx, changes, out)
		if err != nil || len(t.members) == 0 {
			return err
		}
		res, err := s.KV.Commit(ctx, t.guards, t.changes)
		switch {
		case errors.Is(err, coordination.ErrTooLarge) && len(t.members) == 1:
			out[t.members[0]] = TooLarge
			try--
			continue
		case err != nil && !errors.Is(err, coordination.ErrUnknown):
			return fmt.Errorf("swap references of %d heads: %w", len(t.members), err)
		case err == nil && res.Committed:
			for _, i := range t.members {
				out[i] = Swapped
			}
			if err := s.Stream.WaitRevision(ctx, res.Revision); err != nil {
				return err
			}
			if !slices.Contains(out, Open) {
				return nil
			}
			try-- // the rest did not fit
			continue
		}
		if err := pause.For(ctx, pause.Backoff(try, 5*time.Millisecond, 200*time.Millisecond)); err != nil {
			return err
		}
	}
	return fmt.Errorf("swap references: %w", ErrConflict)
}

// transaction is what one Commit does; members are the places of its changes.
type transaction struct {
	guards  []coordination.Guard
	changes []coordination.Change
	members []int
	bytes   int
}

// prepare reads anew, decides the changes that need no writing, and gathers the others that fit.
func (s *Swapper) prepare(ctx context.Context, changes []Change, out []Outcome) (*transaction, error) {
	now, err := s.read(ctx, changes, out)
	if err != nil {
		return nil, err
	}
	t := &transaction{}
	var least coordination.Mark
	topics := map[string]bool{}
	for i := range changes {
		if out[i] != Open {
			continue
		}
		value, err := s.decide(&changes[i], now, i, &out[i])
		if err != nil {
			return nil, err
		}
		if out[i] != Open || t.bytes+len(value) > bytesMax && len(t.members) > 0 {
			continue
		}
		head, topic := now.heads[i], now.topics[i]
		if rule.On(rule.SwapComparesHead) {
			t.guards = append(t.guards, coordination.ModIs(head.Key, head.Mod))
		}
		if !topics[topic.Key] { // a head that is there has a topic; this one costs little and needs no such argument
			topics[topic.Key] = true
			t.guards = append(t.guards, coordination.ModIs(topic.Key, topic.Mod))
		}
		if m, ok := changes[i].smallest(); ok && (least == 0 || m < least) {
			least = m
		}
		t.changes = append(t.changes, coordination.PutKey(head.Key, value))
		t.members = append(t.members, i)
		t.bytes += len(value)
	}
	if least > 0 && rule.On(rule.SettleGuard) {
		t.guards = append(t.guards, coordination.ValueBelow(s.Keys.Floor(), least.Bytes()))
	}
	t.guards = append(t.guards, coordination.ValueIs(s.Keys.Format(), now.format))
	return t, nil
}

// present is what etcd held at one revision; heads and topics are in the order of the changes.
type present struct {
	heads, topics []coordination.Item
	floor         coordination.Mark
	format        []byte
}

// read gives heads, topics, floor and format. A topic that this instance knows no more is gone; one that has
// changed its id under its name is too.
func (s *Swapper) read(ctx context.Context, changes []Change, out []Outcome) (*present, error) {
	format := s.Stream.FormatValue()
	if format == nil {
		return nil, stream.ErrNotReady
	}
	keys := []string{s.Keys.Floor(), s.Keys.Format()}
	for i := range changes {
		if t, ok := s.Stream.TopicByID(changes[i].Partition.Topic); ok {
			keys = append(keys, s.Keys.Head(t.ID, changes[i].Partition.Partition), s.Keys.Topic(t.Name))
		} else if out[i] == Open {
			out[i] = Gone
		}
	}
	snap, err := s.KV.Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	for i := range changes {
		if f := changes[i].Format; f != nil && !bytes.Equal(f, format) {
			return nil, fmt.Errorf("swap references that were read when log/format was %q: %w", f, ledger.ErrEra)
		}
	}
	if !bytes.Equal(format, snap.Items[1].Value) {
		return nil, fmt.Errorf("swap references: log/format is %q: %w", snap.Items[1].Value, ledger.ErrEra)
	}
	now := &present{heads: make([]coordination.Item, len(changes)), topics: make([]coordination.Item, len(changes)), format: format}
	if now.floor, err = coordination.ParseMark(snap.Items[0].Value); err != nil {
		return nil, err
	}
	byKey := map[string]coordination.Item{}
	for i, it := range snap.Items {
		it.Key = keys[i]
		byKey[it.Key] = it
	}
	for i := range changes {
		if t, ok := s.Stream.TopicByID(changes[i].Partition.Topic); ok {
			now.heads[i] = byKey[s.Keys.Head(t.ID, changes[i].Partition.Partition)]
			now.topics[i] = byKey[s.Keys.Topic(t.Name)]
		}
	}
	return now, nil
}

// decide says what is to become of a change: out stays Open where value is to be written.
func (s *Swapper) decide(c *Change, now *present, i int, out *Outcome) (value []byte, err error) {
	head, topic := now.heads[i], now.topics[i]
	if topic.Create == 0 {
		*out = Gone
		return nil, nil
	}
	t, err := ledger.DecodeTopic("", topic.Value, topic.Mod)
	if err != nil {
		return nil, err
	}
	if t.ID != c.Partition.Topic {
		*out = Gone
		return nil, nil
	}
	if head.Create == 0 {
		*out = Changed
		return nil, nil
	}
	h, err := ledger.DecodeHead(head.Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", head.Key, err)
	}
	if *out, err = c.apply(h); err != nil || *out != Open {
		return nil, err
	}
	if m, ok := c.smallest(); ok && m <= now.floor && rule.On(rule.SettleGuard) {
		*out = Late
		return nil, nil
	}
	return h.Encode(), nil
}
