// Package memory is a model of etcd in this process, for tests and the simulator: the same
// revisions, transactions, history, watches and leases, without a network.
//
// Owns: all state of one store, nothing on disk. Whatever etcd decides by chance is decided
// here by order: leases that end together end in the order of their ids, keys are walked in
// byte order. No call waits for anything but a short lock, and the only goroutines are one for
// each open watch, so it may be used in a testing/synctest bubble.
//
// Does not own: faults (coordination.Faulty wraps any KV).
package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// Settings of a store; the zero value is good.
type Settings struct {
	// Now and AfterFunc are the clock of leases; nil is package time's, which is fake in
	// a testing/synctest bubble. A lease that is over ends with the next call even
	// if f was not called yet.
	Now       func() time.Time
	AfterFunc func(d time.Duration, f func())
	// OnCommit sees every revision, in order, before any caller or watch does. It runs
	// under the store's lock: it must neither call the store nor block, nor change
	// events.
	OnCommit func(rev coordination.Revision, events []coordination.Event)
}

// KV is the store. Make it with New.
type KV struct {
	settings Settings

	mu struct {
		sync.Mutex
		rev       coordination.Revision
		compacted coordination.Revision // reads below it are refused
		keys      index
		log       []revision // the events from compacted on, in order
		watches   []*watch
		leases    leases
	}
}

// revision is what one revision changed, in the order of its changes.
type revision struct {
	number coordination.Revision
	events []coordination.Event
}

// New makes an empty store, at revision 1 as etcd's.
func New(settings Settings) *KV {
	if settings.Now == nil {
		settings.Now = time.Now
	}
	if settings.AfterFunc == nil {
		settings.AfterFunc = func(d time.Duration, f func()) { time.AfterFunc(d, f) }
	}
	kv := &KV{settings: settings}
	kv.mu.rev = 1
	kv.mu.keys.init()
	kv.mu.leases.init()
	return kv
}

// lock takes the lock, and first ends the leases whose time is over.
func (kv *KV) lock() {
	kv.mu.Lock()
	if armed := kv.mu.leases.armed; !armed.IsZero() {
		if now := kv.settings.Now(); !now.Before(armed) {
			kv.mu.leases.armed = time.Time{}
			kv.expire(now)
			kv.arm(now)
		}
	}
}

// Get implements coordination.KV.
func (kv *KV) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	if err := alive(ctx); err != nil {
		return coordination.Snapshot{}, fmt.Errorf("get %d keys: %w", len(keys), err)
	}
	if err := coordination.CheckCommit(nil, nil, keys); err != nil {
		return coordination.Snapshot{}, fmt.Errorf("get %d keys: %w", len(keys), err)
	}
	kv.lock()
	defer kv.mu.Unlock()
	return coordination.Snapshot{Revision: kv.mu.rev, Items: kv.items(keys)}, nil
}

func (kv *KV) items(keys []string) []coordination.Item {
	items := make([]coordination.Item, len(keys))
	for i, key := range keys {
		items[i] = kv.mu.keys.newest(key)
	}
	return items
}

// List implements coordination.KV.
func (kv *KV) List(ctx context.Context, r coordination.Range) (coordination.Page, error) {
	if err := alive(ctx); err != nil {
		return coordination.Page{}, fmt.Errorf("list %q: %w", r.Prefix, err)
	}
	kv.lock()
	defer kv.mu.Unlock()
	return kv.list(r)
}

// Read implements coordination.KV.
func (kv *KV) Read(ctx context.Context, ranges ...coordination.Range) ([]coordination.Page, error) {
	if err := alive(ctx); err != nil {
		return nil, fmt.Errorf("read %d ranges: %w", len(ranges), err)
	}
	if err := coordination.CheckRead(ranges); err != nil {
		return nil, err
	}
	kv.lock()
	defer kv.mu.Unlock()
	pages := make([]coordination.Page, len(ranges))
	for i, r := range ranges {
		var err error
		if pages[i], err = kv.list(r); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// list reads a range under the lock.
func (kv *KV) list(r coordination.Range) (coordination.Page, error) {
	at := r.At
	switch {
	case at == 0:
		at = kv.mu.rev
	case at > kv.mu.rev:
		return coordination.Page{}, fmt.Errorf("list %q at %d: %w: the store is at %d", r.Prefix, at, coordination.ErrUnavailable, kv.mu.rev)
	case at < kv.mu.compacted:
		return coordination.Page{}, fmt.Errorf("list %q at %d: %w: up to %d", r.Prefix, at, coordination.ErrCompacted, kv.mu.compacted)
	}
	page := coordination.Page{Revision: at}
	page.Items, page.More = kv.mu.keys.list(r, at)
	return page, nil
}

// Compact forgets the history before rev, as etcd's auto-compaction does: reads at and watches
// from an older revision get ErrCompacted.
func (kv *KV) Compact(ctx context.Context, rev coordination.Revision) error {
	if err := alive(ctx); err != nil {
		return fmt.Errorf("compact to %d: %w", rev, err)
	}
	kv.lock()
	defer kv.mu.Unlock()
	switch {
	case rev > kv.mu.rev:
		return fmt.Errorf("compact to %d: %w: the store is at %d", rev, coordination.ErrUnavailable, kv.mu.rev)
	case rev <= kv.mu.compacted:
		return fmt.Errorf("compact to %d: %w: up to %d", rev, coordination.ErrCompacted, kv.mu.compacted)
	}
	for _, w := range kv.mu.watches {
		if w.next >= kv.mu.compacted { // else it is lost already, and what was compacted under it must not look as if it had not concerned it
			w.skip()
		}
	}
	kv.mu.compacted = rev
	kv.mu.keys.compact(rev)
	kv.mu.log = append([]revision(nil), kv.mu.log[kv.logFrom(rev):]...)
	for _, w := range kv.mu.watches {
		w.signal() // one that lags behind rev ends now
	}
	return nil
}

// alive gives the class of a context that has ended: nothing happened.
func alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", coordination.ErrUnavailable, err)
	}
	return nil
}
