package memory

import (
	"bytes"
	"context"
	"fmt"

	"github.com/firnlog/firnlog/coordination"
)

// Commit implements coordination.KV. A context that ends during it changes nothing any more:
// its outcome is always known here.
func (kv *KV) Commit(ctx context.Context, guards []coordination.Guard, changes []coordination.Change, orElse ...string) (coordination.Result, error) {
	if err := alive(ctx); err != nil {
		return coordination.Result{}, fmt.Errorf("commit: %w", err)
	}
	if err := coordination.CheckCommit(guards, changes, orElse); err != nil {
		return coordination.Result{}, fmt.Errorf("commit: %w", err)
	}
	kv.lock()
	defer kv.mu.Unlock()
	for _, g := range guards {
		if !kv.holds(g) {
			res := coordination.Result{Revision: kv.mu.rev}
			if len(orElse) > 0 {
				res.Else = kv.items(orElse)
			}
			return res, nil
		}
	}
	for _, c := range changes {
		if c.Lease != 0 && c.Value != nil && kv.mu.leases.granted[c.Lease] == nil {
			return coordination.Result{}, fmt.Errorf("commit %q with lease %d: %w", c.Key, c.Lease, coordination.ErrLeaseGone)
		}
	}
	kv.apply(changes)
	return coordination.Result{Committed: true, Revision: kv.mu.rev}, nil
}

func (kv *KV) holds(g coordination.Guard) bool {
	v := kv.mu.keys.live(g.Key)
	switch g.Kind {
	case coordination.GuardMissing:
		return v.value == nil
	case coordination.GuardMod:
		return v.mod == g.Rev
	case coordination.GuardCreate:
		return v.create == g.Rev
	case coordination.GuardValue:
		return v.value != nil && bytes.Equal(v.value, g.Val)
	case coordination.GuardValueBelow:
		return v.value != nil && bytes.Compare(v.value, g.Val) < 0
	default:
		return false
	}
}

// apply makes one revision of changes; none if nothing changes.
func (kv *KV) apply(changes []coordination.Change) {
	rev := kv.mu.rev + 1
	events := make([]coordination.Event, 0, len(changes))
	for _, c := range changes {
		switch {
		case c.Value != nil:
			events = append(events, kv.put(rev, c))
		case c.Prefix:
			// The whole range is found before any key of it is touched.
			var keys []string
			kv.mu.keys.below(c.Key, c.Key, func(h *history) bool {
				keys = append(keys, h.key)
				return true
			})
			for _, key := range keys {
				events = kv.remove(rev, key, events)
			}
		default:
			events = kv.remove(rev, c.Key, events)
		}
	}
	if len(events) == 0 {
		return
	}
	kv.mu.rev = rev
	kv.mu.log = append(kv.mu.log, revision{rev, events})
	if kv.settings.OnCommit != nil {
		kv.settings.OnCommit(rev, events)
	}
	for _, w := range kv.mu.watches {
		if w.wantsAny(events) {
			w.signal()
		}
	}
}

func (kv *KV) put(rev coordination.Revision, c coordination.Change) coordination.Event {
	old := kv.mu.keys.live(c.Key)
	v := version{value: append([]byte{}, c.Value...), create: old.create, mod: rev, lease: c.Lease}
	if old.value == nil {
		v.create = rev
	}
	kv.mu.leases.move(c.Key, old.lease, c.Lease)
	kv.mu.keys.add(c.Key, v)
	return coordination.Event{Key: c.Key, Value: v.value, Create: v.create, Revision: rev}
}

func (kv *KV) remove(rev coordination.Revision, key string, events []coordination.Event) []coordination.Event {
	old := kv.mu.keys.live(key)
	if old.value == nil {
		return events
	}
	kv.mu.leases.move(key, old.lease, 0)
	kv.mu.keys.add(key, version{mod: rev})
	return append(events, coordination.Event{Key: key, Revision: rev})
}
