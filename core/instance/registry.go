package instance

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/pause"
)

// AnyNode asks for the lowest free node id.
const AnyNode int32 = -1

// ErrNodeTaken: another live instance has the node id that was asked for.
var ErrNodeTaken = errors.New("node id is taken by another live instance: choose another --node-id, or none")

// Settings of a Registry.
type Settings struct {
	KV   coordination.KV
	Keys coordination.Keys
	Now  func() time.Time
	Log  *slog.Logger
	Self Info          // Node may be AnyNode
	TTL  time.Duration // of the lease; renewed at a third of it
}

// Registry keeps this instance's key alive and follows the others.
type Registry struct {
	Settings
	mu struct {
		sync.RWMutex
		self    Info
		lease   coordination.Lease  // nil before the first claim
		live    []Info              // by node, those that drain too
		callers map[string]struct{} // public keys, in hex, of functions that call instances
		claimed bool
	}
	claimed chan struct{} // closed after the first claim
}

// New makes a Registry; Run starts it.
func New(s Settings) *Registry {
	r := &Registry{Settings: s, claimed: make(chan struct{})}
	r.mu.self, r.mu.callers = s.Self, map[string]struct{}{}
	return r
}

// Claimed is closed once this instance has its node id.
func (r *Registry) Claimed() <-chan struct{} { return r.claimed }

// Self is this instance's node id; AnyNode before it is claimed.
func (r *Registry) Self() int32 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.mu.self.Node
}

// Live lists the instances that clients may be sent to, by node id: those that live and do not drain, this one among them. Where all
// drain, it lists them all.
func (r *Registry) Live() []Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(Serving(r.mu.live))
}

// Everyone lists all instances that live, those that drain too.
func (r *Registry) Everyone() []Info {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.mu.live)
}

// Run claims a node id, keeps it, and follows the others until ctx ends; then it leaves at once.
func (r *Registry) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		err := r.live(ctx)
		if ctx.Err() != nil {
			r.leave()
			return ctx.Err()
		}
		if errors.Is(err, ErrNodeTaken) && attempt > 0 && r.Settings.Self.Node != AnyNode {
			return err
		}
		r.Log.Warn("registering this instance again", "cause", err)
		if err := pause.For(ctx, pause.Backoff(attempt, 50*time.Millisecond, time.Second)); err != nil {
			r.leave()
			return err
		}
	}
}

// live is one life of the lease and the watch.
func (r *Registry) live(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := r.claim(ctx); err != nil {
		return err
	}
	at, err := r.list(ctx)
	if err != nil {
		return err
	}
	w, err := r.KV.Watch(ctx, r.Keys.Instances(), at+1)
	if err != nil {
		return fmt.Errorf("watch instances: %w", err)
	}
	renew := time.NewTicker(r.TTL / 3)
	defer renew.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-renew.C:
			if err := r.renew(ctx); err != nil {
				return err
			}
		case u, ok := <-w.Updates():
			if !ok || u.Err != nil {
				return fmt.Errorf("watch of instances ended: %w", errors.Join(u.Err, coordination.ErrUnavailable))
			}
			r.apply(u.Events)
		}
	}
}

func (r *Registry) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.TTL/3)
	defer cancel()
	if err := r.held().Renew(ctx); err != nil {
		return fmt.Errorf("renew lease of this instance: %w", err)
	}
	return nil
}

// claim creates instances/<n>: the id asked for, the one that has our addresses
// (this instance before a restart), or the lowest free one. Instances that start together
// choose the same one: one of them gets it, and the others look again.
func (r *Registry) claim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.TTL)
	defer cancel()
	lease, err := r.KV.Grant(ctx, r.TTL)
	if err != nil {
		return fmt.Errorf("grant lease: %w", err)
	}
	self, err := r.claimWith(ctx, lease)
	if err != nil {
		_ = lease.Revoke(ctx) // it ends by itself otherwise
		return err
	}
	r.mu.Lock()
	r.mu.self, r.mu.lease = self, lease
	first := !r.mu.claimed
	r.mu.claimed = true
	r.mu.Unlock()
	if first {
		close(r.claimed)
	}
	return nil
}

// claimWith looks and claims until nobody else changed the key in between. Each time that somebody did, an instance
// came, left or took its key back, so it ends when they are done; ctx bounds it.
func (r *Registry) claimWith(ctx context.Context, lease coordination.Lease) (Info, error) {
	for {
		page, err := r.KV.List(ctx, coordination.Range{Prefix: r.Keys.Instances()})
		if err != nil {
			return Info{}, fmt.Errorf("list instances: %w", err)
		}
		node, mod, err := r.choose(page.Items)
		if err != nil {
			return Info{}, err
		}
		self := r.Settings.Self
		self.Node = node
		self.Draining, self.Hidden = r.leaving()
		value, err := json.Marshal(self)
		if err != nil {
			return Info{}, fmt.Errorf("encode instance: %w", err)
		}
		key := r.Keys.Instance(node)
		res, err := r.KV.Commit(ctx, []coordination.Guard{coordination.ModIs(key, mod)}, []coordination.Change{coordination.PutLeased(key, value, lease.ID())})
		if err != nil {
			return Info{}, fmt.Errorf("claim node id %d: %w", node, err)
		}
		if res.Committed {
			return self, nil
		}
	}
}

func (r *Registry) choose(items []coordination.Item) (node int32, mod coordination.Revision, err error) {
	taken := map[int32]coordination.Item{}
	for _, it := range items {
		n, ok := r.Keys.ParseInstance(it.Key)
		if !ok {
			continue
		}
		taken[n] = it
		var other Info
		if json.Unmarshal(it.Value, &other) == nil && slices.Equal(other.Endpoints, r.Settings.Self.Endpoints) && r.wants(n) {
			return n, it.Mod, nil
		}
	}
	if node = r.Settings.Self.Node; node != AnyNode {
		if _, ok := taken[node]; ok {
			return 0, 0, fmt.Errorf("node id %d: %w", node, ErrNodeTaken)
		}
		return node, 0, nil
	}
	if node = r.Self(); node != AnyNode { // the one we had before the lease was lost
		if _, ok := taken[node]; !ok {
			return node, 0, nil
		}
	}
	for node = 0; ; node++ {
		if _, ok := taken[node]; !ok {
			return node, 0, nil
		}
	}
}

func (r *Registry) wants(node int32) bool {
	return r.Settings.Self.Node == AnyNode || r.Settings.Self.Node == node
}

func (r *Registry) list(ctx context.Context) (coordination.Revision, error) {
	ctx, cancel := context.WithTimeout(ctx, r.TTL)
	defer cancel()
	page, err := r.KV.List(ctx, coordination.Range{Prefix: r.Keys.Instances()})
	if err != nil {
		return 0, fmt.Errorf("list instances: %w", err)
	}
	r.mu.Lock()
	r.mu.live = r.mu.live[:0:0]
	r.mu.callers = map[string]struct{}{}
	r.mu.Unlock()
	events := make([]coordination.Event, len(page.Items))
	for i, it := range page.Items {
		events[i] = coordination.Event{Key: it.Key, Value: it.Value}
	}
	r.apply(events)
	return page.Revision, nil
}

func (r *Registry) apply(events []coordination.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	live := slices.Clone(r.mu.live)
	put := func(in Info) {
		live = slices.DeleteFunc(live, func(o Info) bool { return o.Node == in.Node })
		live = append(live, in)
	}
	for _, e := range events {
		node, ok := r.Keys.ParseInstance(e.Key)
		if !ok {
			r.noteCaller(e)
			continue
		}
		if e.IsDelete() {
			live = slices.DeleteFunc(live, func(o Info) bool { return o.Node == node })
			continue
		}
		in := Info{}
		if err := json.Unmarshal(e.Value, &in); err != nil {
			r.Log.Warn("instance with an unreadable record left out", "key", e.Key, "error", err)
			continue
		}
		in.Node = node
		put(in)
	}
	put(r.mu.self)
	slices.SortFunc(live, func(a, b Info) int { return int(a.Node) - int(b.Node) })
	r.mu.live = live
}

// noteCaller needs the lock.
func (r *Registry) noteCaller(e coordination.Event) {
	key, ok := r.Keys.ParseCaller(e.Key)
	switch {
	case !ok:
	case e.IsDelete():
		delete(r.mu.callers, key)
	default:
		r.mu.callers[key] = struct{}{}
	}
}

// KnowsKey says whether a public key is that of a live instance, or of a function that calls instances.
func (r *Registry) KnowsKey(key []byte) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if _, ok := r.mu.callers[hex.EncodeToString(key)]; ok {
		return true
	}
	return slices.ContainsFunc(r.mu.live, func(in Info) bool { return len(key) > 0 && bytes.Equal(in.Key, key) })
}

func (r *Registry) leave() {
	lease := r.held()
	if lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = lease.Revoke(ctx) // it ends by itself otherwise
}

func (r *Registry) held() coordination.Lease {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.mu.lease
}
