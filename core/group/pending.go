package group

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/rule"
)

// Offsets of transactions:
//
//	CommitPending   groups/<g>/pending/<id>, together with the group's place in transactions/<id>
//	SettlePending   what the end of the transaction adds to its own one etcd transaction: the pending key goes, and
//	                with a commit its offsets move to groups/<g>/offsets/<topic>
//
// Who ends a transaction need not coordinate the group: each key of offsets is compared with what was read, so a
// coordinator that has the older ones in memory fails its next write of them and reads them anew. The generation was checked
// when the offsets became pending, as in Kafka.

// PendingRequest is a TxnOffsetCommit: the topics are there, and so are their partitions.
type PendingRequest struct {
	CommitCheck
	Transaction string // transactional id
	Topics      []CommitTopic
	// Join gives what must hold, and what must be written, for the group to be of the transaction. It is asked
	// anew at each try.
	Join func(ctx context.Context) ([]coordination.Guard, []coordination.Change, error)
	// JoinWithin is how long after its arrival the request may still be told its transaction (txn.JoinWithin); 0: at any time.
	JoinWithin time.Duration
}

// pendingTopicsMax is of how many topics a transaction may commit offsets for one group: its end writes all of
// them in one etcd transaction.
const pendingTopicsMax = 100

// pendingJSON is what groups/<group>/pending/<id> holds, by topic name.
type pendingJSON struct {
	Version int                    `json:"version"`
	Topics  map[string]offsetsJSON `json:"topics"`
}

func encodePending(topics map[string]*topicOffsets) []byte {
	v := pendingJSON{Version: stateVersion, Topics: map[string]offsetsJSON{}}
	for name, t := range topics {
		v.Topics[name] = t.json()
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode pending offsets: %v", err)) // cannot be: only strings and numbers
	}
	return b
}

// decodePending reads a pending key; one that is not there holds nothing.
func decodePending(item coordination.Item) (map[string]*topicOffsets, error) {
	out := map[string]*topicOffsets{}
	if item.Create == 0 {
		return out, nil
	}
	v := pendingJSON{}
	if err := json.Unmarshal(item.Value, &v); err != nil {
		return nil, fmt.Errorf("%w: decode %s: %w", ErrUnavailable, item.Key, err)
	}
	if v.Version != stateVersion {
		return nil, fmt.Errorf("%w: decode %s: version %d is not known to this build: upgrade it", ErrUnavailable, item.Key, v.Version)
	}
	for name, t := range v.Topics {
		out[name] = t.offsets()
	}
	return out, nil
}

// pendingTimeout is how long the offsets of a transaction are tried to be written. Who waits is told to try again then, or at the end of
// what etcd was asked for last: after twice as long at most. Without it, the tries for a turn, to read the group, to read the
// transaction and to write came to a minute and more while etcd did not answer, which is all the patience that Java's producer has.
const pendingTimeout = ioTimeout

// CommitPending takes offsets that the end of a transaction will commit.
func (c *Coordinator) CommitPending(ctx context.Context, name string, r PendingRequest) error {
	var err error
	arrived := time.Now()
	ctx, cancel := context.WithTimeout(ctx, pendingTimeout)
	defer cancel()
	for try := 0; try < triesMax && (try == 0 || ctx.Err() == nil); try++ {
		var g *cell
		if g, err = c.enter(ctx, name); err != nil {
			return err
		}
		if err = g.machine.checkPending(r.CommitCheck); err == nil && ctx.Err() != nil {
			err = fmt.Errorf("%w: group %q was read too late", ErrUnavailable, name)
		}
		if err != nil {
			_ = c.leave(ctx, g)
			return err
		}
		if member := g.machine.Members[r.MemberID]; member != nil {
			g.machine.heard(c.Now(), member)
		}
		for again := 0; again < triesMax && (again == 0 || ctx.Err() == nil); again++ { // what has changed may be the transaction, not the group
			if err = c.tryPending(ctx, g, r, arrived); !errors.Is(err, ErrNotCoordinator) {
				break
			}
		}
		if err == nil || !errors.Is(err, ErrNotCoordinator) && !errors.Is(err, ErrUnavailable) {
			_ = c.leave(ctx, g)
			return err
		}
		c.drop(g)
		g.give()
	}
	return err
}

// checkPending is CheckCommit for transactions: who does not say which member it is is believed, as in Kafka, where
// producers before KIP-447 do not.
func (m *Machine) checkPending(r CommitCheck) error {
	if r.MemberID == "" && r.Instance == "" && r.Generation < 0 {
		return nil
	}
	r.NewErrors = true
	err := m.CheckCommit(r)
	if errors.Is(err, ErrStaleEpoch) || errors.Is(err, ErrUnknownGroup) {
		return ErrIllegalGeneration
	}
	return err
}

func (c *Coordinator) tryPending(ctx context.Context, g *cell, r PendingRequest, arrived time.Time) error {
	ctx, cancel := c.io(ctx)
	defer cancel()
	guards, changes, err := r.Join(ctx)
	if err != nil {
		return err
	}
	if r.JoinWithin > 0 && time.Since(arrived) > r.JoinWithin {
		return fmt.Errorf("%w: the transaction of the offsets could not be read for %v", ErrUnavailable, time.Since(arrived).Round(time.Millisecond))
	}
	key := c.Keys.GroupPending(g.name, r.Transaction)
	snap, err := c.KV.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("%w: read pending offsets of group %q: %w", ErrUnavailable, g.name, err)
	}
	pending, err := decodePending(snap.Items[0])
	if err != nil {
		return err
	}
	now := c.Now().UnixMilli()
	for _, t := range r.Topics {
		into := pending[t.Name]
		if into == nil || into.id != t.ID {
			into = &topicOffsets{id: t.ID, partitions: map[int32]Committed{}}
			pending[t.Name] = into
		}
		for n, o := range t.Partitions {
			o.AtMs = now
			into.partitions[n] = o
		}
	}
	if len(pending) > pendingTopicsMax {
		return fmt.Errorf("offsets of %d topics of group %q: %w", len(pending), g.name, ErrPendingTooLarge)
	}
	guards = append(guards, coordination.ModIs(key, snap.Items[0].Mod))
	changes = append(changes, coordination.PutKey(key, encodePending(pending)))
	if g.mod == 0 {
		changes = append(changes, coordination.PutKey(c.Keys.Group(g.name), g.machine.encode()))
	}
	return c.commitWithin(ctx, g, guards, changes...)
}

// SettlePending gives what the end of a transaction compares and changes for one of its groups. A group that
// was deleted meanwhile gets nothing.
func (c *Coordinator) SettlePending(ctx context.Context, name, transaction string, commit bool) ([]coordination.Guard, []coordination.Change, error) {
	key := c.Keys.GroupPending(name, transaction)
	snap, err := c.KV.Get(ctx, c.Keys.Group(name), key)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: read pending offsets of group %q: %w", ErrUnavailable, name, err)
	}
	group, item := snap.Items[0], snap.Items[1]
	if item.Create == 0 {
		// Offsets of a group that is of the transaction already change nothing but this key. Those that come between here and the
		// end would else outlive it: no reader would find the group's offsets stable, and the next end would commit them.
		return []coordination.Guard{coordination.ModIs(key, 0)}, nil, nil
	}
	pending, err := decodePending(item)
	if err != nil {
		return nil, nil, err
	}
	guards := []coordination.Guard{coordination.ModIs(key, item.Mod), coordination.CreateIs(group.Key, group.Create)}
	changes := []coordination.Change{coordination.DeleteKey(key)}
	if !commit && rule.On(rule.TxnDropsOffsets) || group.Create == 0 {
		return guards, changes, nil
	}
	names := slices.Sorted(maps.Keys(pending))
	offsetKeys := make([]string, len(names))
	for i, topic := range names {
		offsetKeys[i] = c.Keys.GroupOffset(name, topic)
	}
	if snap, err = c.KV.Get(ctx, offsetKeys...); err != nil {
		return nil, nil, fmt.Errorf("%w: read offsets of group %q: %w", ErrUnavailable, name, err)
	}
	for i, topic := range names {
		into := pending[topic]
		if old := snap.Items[i]; old.Create != 0 {
			had, err := decodeOffsets(old)
			if err != nil {
				return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
			if had.id == into.id {
				maps.Copy(had.partitions, into.partitions)
				into = had
			}
		}
		guards = append(guards, coordination.ModIs(offsetKeys[i], snap.Items[i].Mod))
		changes = append(changes, coordination.PutKey(offsetKeys[i], into.encode()))
	}
	return guards, changes, nil
}

// stable reads a group's offsets and, at the same revision, what open transactions may replace, by topic.
func (c *Coordinator) stable(ctx context.Context, name string) (found map[string]*topicOffsets, unstable map[string]*topicOffsets, err error) {
	found, unstable = map[string]*topicOffsets{}, map[string]*topicOffsets{}
	r := coordination.Range{Prefix: c.Keys.GroupBelow(name), Limit: pageKeys}
	for {
		page, err := c.KV.List(ctx, r)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: read offsets of group %q: %w", ErrUnavailable, name, err)
		}
		for _, item := range page.Items {
			if err := c.sortOut(item, name, found, unstable); err != nil {
				return nil, nil, err
			}
		}
		if !page.More {
			return found, unstable, nil
		}
		r.At, r.After = page.Revision, page.Items[len(page.Items)-1].Key
	}
}

func (c *Coordinator) sortOut(item coordination.Item, name string, found, unstable map[string]*topicOffsets) error {
	if _, topic, ok := c.Keys.ParseGroup(item.Key); ok && topic != "" {
		t, err := decodeOffsets(item)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		found[topic] = t
		return nil
	}
	if len(item.Key) < len(c.Keys.GroupPendings(name)) || item.Key[:len(c.Keys.GroupPendings(name))] != c.Keys.GroupPendings(name) {
		return nil
	}
	pending, err := decodePending(item)
	for topic, t := range pending {
		if into := unstable[topic]; into != nil && into.id == t.id {
			maps.Copy(into.partitions, t.partitions)
		} else {
			unstable[topic] = t
		}
	}
	return err
}

// withUnstable marks what open transactions may replace in what was found, and adds topics of which nothing else is.
func withUnstable(out []FetchedTopic, topics []FetchTopic, unstable map[string]*topicOffsets) []FetchedTopic {
	for _, t := range topics {
		u := unstable[t.Name]
		if u == nil || u.id != t.ID {
			continue
		}
		at := slices.IndexFunc(out, func(f FetchedTopic) bool { return f.ID == t.ID })
		if at < 0 {
			at = len(out)
			out = append(out, FetchedTopic{Name: t.Name, ID: t.ID})
		}
		out[at].Unstable = map[int32]bool{}
		for n := range u.partitions {
			out[at].Unstable[n] = true
		}
	}
	return out
}
