package acl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/pause"
)

// ACLs is the live view of all ACLs, an auth.Authorizer that asks it, and what changes them.
//
// A process runs Run, which watches. A function, which cannot watch, calls Refresh.
//
// Without etcd the last view stays. Before the first one, only super users may do anything.
type ACLs struct {
	Settings
	super  map[auth.Principal]bool
	loaded chan struct{}
	mu     struct {
		sync.RWMutex
		index      *index
		byID       map[string]Binding
		unreadable map[string]bool // ids: while there are any, super users alone may do anything
		at         coordination.Revision
		read       time.Time // when, for Refresh
		moved      chan struct{}
		known      bool
	}
}

// Settings are what ACLs works on.
type Settings struct {
	KV   coordination.KV
	Keys coordination.Keys
	Now  func() time.Time
	Log  *slog.Logger
	// SuperUsers may do everything, whatever ACLs say.
	SuperUsers []auth.Principal
	// AllowEveryone: what no ACL is about is allowed to everybody (Kafka's allow.everyone.if.no.acl.found).
	AllowEveryone bool
	// Visits: nobody runs Run; whoever changes something reads it again.
	Visits bool
	// Max is how many there may be; 0: MaxUsual. Several who create at the same time can exceed it a little.
	Max int
}

// MaxUsual keeps all ACLs together at some megabytes.
const MaxUsual = 20_000

const (
	pageItems = 1000
	// seenWithin is how long whoever changed something waits until it counts here.
	seenWithin = 5 * time.Second
)

// New makes ACLs; it starts nothing.
func New(s Settings) *ACLs {
	if s.Max == 0 {
		s.Max = MaxUsual
	}
	a := &ACLs{Settings: s, super: map[auth.Principal]bool{}, loaded: make(chan struct{})}
	for _, p := range s.SuperUsers {
		a.super[p] = true
	}
	a.mu.index, a.mu.byID, a.mu.unreadable, a.mu.moved = newIndex(), map[string]Binding{}, map[string]bool{}, make(chan struct{})
	return a
}

// Loaded is closed once there is a view.
func (a *ACLs) Loaded() <-chan struct{} { return a.loaded }

// Run follows etcd until ctx ends.
func (a *ACLs) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		at, err := a.load(ctx)
		if err == nil {
			attempt = 0
			err = a.follow(ctx, at)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.Log.Warn("reading ACLs again", "cause", err)
		if err := pause.For(ctx, pause.Backoff(attempt, 50*time.Millisecond, time.Second)); err != nil {
			return err
		}
	}
}

// Refresh reads all anew if the view is older than age.
func (a *ACLs) Refresh(ctx context.Context, age time.Duration) error {
	a.mu.RLock()
	fresh := a.mu.known && a.Now().Sub(a.mu.read) < age
	a.mu.RUnlock()
	if fresh {
		return nil
	}
	_, err := a.load(ctx)
	return err
}

// readAll reads all keys at one revision.
func (a *ACLs) readAll(ctx context.Context) (items []coordination.Item, at coordination.Revision, err error) {
	r := coordination.Range{Prefix: a.Keys.ACLs(), Limit: pageItems}
	for {
		page, err := a.KV.List(ctx, r)
		if err != nil {
			return nil, 0, fmt.Errorf("read ACLs: %w", err)
		}
		items = append(items, page.Items...)
		if !page.More {
			return items, page.Revision, nil
		}
		r.At, r.After = page.Revision, page.Items[len(page.Items)-1].Key
	}
}

func (a *ACLs) load(ctx context.Context) (coordination.Revision, error) {
	now := a.Now()
	items, at, err := a.readAll(ctx)
	if err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.index, a.mu.byID, a.mu.unreadable = newIndex(), map[string]Binding{}, map[string]bool{}
	for _, it := range items {
		a.put(it.Key, it.Value)
	}
	a.mu.at, a.mu.read = at, now
	a.news()
	if !a.mu.known {
		a.mu.known = true
		close(a.loaded)
	}
	return at, nil
}

func (a *ACLs) follow(ctx context.Context, at coordination.Revision) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := a.KV.Watch(ctx, a.Keys.ACLs(), at+1)
	if err != nil {
		return fmt.Errorf("watch ACLs: %w", err)
	}
	for update := range w.Updates() {
		if update.Err != nil {
			return fmt.Errorf("watch ACLs: %w", update.Err)
		}
		a.apply(update)
	}
	return fmt.Errorf("watch ACLs: %w", coordination.ErrUnavailable)
}

func (a *ACLs) apply(update coordination.Update) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range update.Events {
		a.put(e.Key, e.Value)
	}
	a.mu.at = max(a.mu.at, update.Revision)
	a.news()
}

// news needs the lock.
func (a *ACLs) news() {
	close(a.mu.moved)
	a.mu.moved = make(chan struct{})
}

// put notes one key, or that it is gone; it needs the lock.
func (a *ACLs) put(key string, value []byte) {
	id, ok := a.Keys.ParseACL(key)
	if !ok {
		id = key // nothing of ours, and nothing to be sure of
	}
	if old, had := a.mu.byID[id]; had {
		a.mu.index.remove(&old)
		delete(a.mu.byID, id)
	}
	delete(a.mu.unreadable, id)
	if value == nil {
		return
	}
	b, err := decode(id, value)
	if err != nil {
		a.Log.Error("an ACL cannot be read: until its key is deleted or a newer version of firnlog runs, only super users may do anything", "key", key, "error", err)
		a.mu.unreadable[id] = true
		return
	}
	a.mu.byID[id] = b
	a.mu.index.add(&b)
}

// seen waits until the view has come to a revision, for as long as is reasonable: others do not wait either.
func (a *ACLs) seen(ctx context.Context, at coordination.Revision) {
	if a.Visits {
		if _, err := a.load(ctx); err != nil {
			a.Log.Warn("ACLs were changed, and cannot be read now", "error", err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	for {
		a.mu.RLock()
		reached, moved := a.mu.at >= at, a.mu.moved
		a.mu.RUnlock()
		if reached {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				a.Log.Warn("ACLs were changed, but this instance has not heard of it yet")
			}
			return
		}
	}
}
