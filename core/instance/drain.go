package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/coordination"
)

// Drain tells everybody that this instance is about to leave: no instance and no function names it to clients any more, as soon as
// it has heard. The key stays, under its lease, until Run ends; whatever happens to it meanwhile, it says so from here on.
func (r *Registry) Drain(ctx context.Context) error {
	return r.announce(ctx, func(in *Info) { in.Draining = true })
}

// Hide tells everybody that clients need not know this instance's address any more (Info.Hidden). It must drain already.
func (r *Registry) Hide(ctx context.Context) error {
	return r.announce(ctx, func(in *Info) { in.Hidden = true })
}

// announce changes what this instance says of itself.
func (r *Registry) announce(ctx context.Context, change func(*Info)) error {
	r.mu.Lock()
	change(&r.mu.self)
	for i := range r.mu.live {
		if r.mu.live[i].Node == r.mu.self.Node {
			r.mu.live = slices.Clone(r.mu.live) // others may be reading it
			change(&r.mu.live[i])
		}
	}
	self, lease := r.mu.self, r.mu.lease
	r.mu.Unlock()
	if lease == nil {
		return nil // a later claim will say it
	}
	value, err := json.Marshal(self)
	if err != nil {
		return fmt.Errorf("encode instance: %w", err)
	}
	// Without a guard: this instance alone holds the lease, and without it the key is not written.
	if _, err := r.KV.Commit(ctx, nil, []coordination.Change{coordination.PutLeased(r.Keys.Instance(self.Node), value, lease.ID())}); err != nil {
		return fmt.Errorf("say that this instance leaves: %w", err)
	}
	return nil
}

// leaving is what this instance has said about its leaving.
func (r *Registry) leaving() (draining, hidden bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.mu.self.Draining, r.mu.self.Hidden
}

// Others says whether clients can go to another instance that does not drain.
func (r *Registry) Others() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.ContainsFunc(r.mu.live, func(in Info) bool { return in.Node != r.mu.self.Node && !in.Draining })
}
