package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// leases holds what is granted. A timer is armed for the earliest end, or for an earlier time:
// a renewed lease leaves it as it is, and it arms itself again when it fires too early.
type leases struct {
	granted map[coordination.LeaseID]*granted
	last    coordination.LeaseID
	armed   time.Time // no lease ends before it; zero: there is none
}

type granted struct {
	ttl  time.Duration
	end  time.Time
	keys map[string]bool
}

func (l *leases) init() { l.granted = map[coordination.LeaseID]*granted{} }

// move takes key from one lease to another; 0 is none.
func (l *leases) move(key string, from, to coordination.LeaseID) {
	if g := l.granted[from]; g != nil {
		delete(g.keys, key)
	}
	if g := l.granted[to]; g != nil {
		g.keys[key] = true
	}
}

// Grant implements coordination.KV.
func (kv *KV) Grant(ctx context.Context, ttl time.Duration) (coordination.Lease, error) {
	if err := alive(ctx); err != nil {
		return nil, fmt.Errorf("grant lease: %w", err)
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("grant lease of %v: %w", ttl, coordination.ErrInvalid)
	}
	if part := ttl % time.Second; part > 0 {
		ttl += time.Second - part
	}
	kv.lock()
	defer kv.mu.Unlock()
	now := kv.settings.Now()
	l := &kv.mu.leases
	l.last++
	l.granted[l.last] = &granted{ttl: ttl, end: now.Add(ttl), keys: map[string]bool{}}
	kv.arm(now)
	return lease{kv, l.last}, nil
}

// arm sets the timer for the earliest end, if it would not fire before.
func (kv *KV) arm(now time.Time) {
	l := &kv.mu.leases
	var first time.Time
	for _, g := range l.granted {
		if first.IsZero() || g.end.Before(first) {
			first = g.end
		}
	}
	if first.IsZero() || !l.armed.IsZero() && !l.armed.After(first) {
		return
	}
	l.armed = first
	kv.settings.AfterFunc(first.Sub(now), func() {
		kv.mu.Lock()
		defer kv.mu.Unlock()
		if l.armed.Equal(first) {
			l.armed = time.Time{}
		}
		now := kv.settings.Now()
		kv.expire(now)
		kv.arm(now)
	})
}

// expire ends every lease whose time is over, in the order of their ends and ids.
func (kv *KV) expire(now time.Time) {
	var over []coordination.LeaseID
	for id, g := range kv.mu.leases.granted {
		if !now.Before(g.end) {
			over = append(over, id)
		}
	}
	slices.SortFunc(over, func(a, b coordination.LeaseID) int {
		return cmp.Or(kv.mu.leases.granted[a].end.Compare(kv.mu.leases.granted[b].end), cmp.Compare(a, b))
	})
	for _, id := range over {
		kv.end(id)
	}
}

// end deletes a lease and its keys, in one revision and in the order of the keys.
func (kv *KV) end(id coordination.LeaseID) {
	keys := slices.Sorted(maps.Keys(kv.mu.leases.granted[id].keys))
	delete(kv.mu.leases.granted, id)
	changes := make([]coordination.Change, len(keys))
	for i, key := range keys {
		changes[i] = coordination.DeleteKey(key)
	}
	kv.apply(changes)
}

// lease implements coordination.Lease.
type lease struct {
	kv *KV
	id coordination.LeaseID
}

func (l lease) ID() coordination.LeaseID { return l.id }

func (l lease) Renew(ctx context.Context) error {
	if err := alive(ctx); err != nil {
		return fmt.Errorf("renew lease %d: %w", l.id, err)
	}
	l.kv.lock()
	defer l.kv.mu.Unlock()
	g := l.kv.mu.leases.granted[l.id]
	if g == nil {
		return fmt.Errorf("renew lease %d: %w", l.id, coordination.ErrLeaseGone)
	}
	g.end = l.kv.settings.Now().Add(g.ttl)
	return nil
}

func (l lease) Revoke(ctx context.Context) error {
	if err := alive(ctx); err != nil {
		return fmt.Errorf("revoke lease %d: %w", l.id, err)
	}
	l.kv.lock()
	defer l.kv.mu.Unlock()
	if l.kv.mu.leases.granted[l.id] != nil {
		l.kv.end(l.id)
	}
	return nil
}
