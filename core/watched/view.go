// Package watched keeps a view of all keys below a prefix in memory, for what is small, asked by each request and seldom changed: users, ACLs, quotas.
//
//	view.go     the view: read all at one revision, watch from there, begin again when the watch ends or was compacted
//	change.go   changes, each beside log/format, tried until their outcome is known
//
// A process runs Run, which watches. A function, which cannot watch, calls Refresh. Without etcd the last view stays.
//
// Owns: when the keys are read. Does not own: what they mean; their holder keeps that, behind its own lock.
package watched

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/pause"
)

// Settings of a View.
type Settings struct {
	KV     coordination.KV
	Keys   coordination.Keys
	Prefix string // of the keys
	What   string // they are, in the plural: for errors and the log
	Now    func() time.Time
	Log    *slog.Logger
	// Visits: nobody runs Run; whoever changes something reads it again.
	Visits bool
	// Prepare is called before all is read; nil: nothing is to be done.
	Prepare func(context.Context) error
	// Replace is given all keys, Apply those that changed since then, in order. One call at a time; they do not wait.
	Replace func([]coordination.Item)
	Apply   func([]coordination.Event)
	Errors  Errors
}

// View is where the holder's copy of the keys has come to.
type View struct {
	Settings
	loaded chan struct{}
	mu     struct {
		sync.Mutex
		at    coordination.Revision
		read  time.Time // when, for Refresh
		moved chan struct{}
		known bool
	}
}

const (
	pageItems = 1000
	// seenWithin is how long whoever changed something waits until it counts here.
	seenWithin = 5 * time.Second
)

// New makes a View; it starts nothing.
func New(s Settings) *View {
	v := &View{Settings: s, loaded: make(chan struct{})}
	v.mu.moved = make(chan struct{})
	return v
}

// Loaded is closed once there is a view.
func (v *View) Loaded() <-chan struct{} { return v.loaded }

// Run follows etcd until ctx ends.
func (v *View) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		at, err := v.load(ctx)
		if err == nil {
			attempt = 0
			err = v.follow(ctx, at)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, v.Errors.NoCluster) { // which is about to be made
			v.Log.Warn("reading "+v.What+" again", "cause", err)
		}
		if err := pause.For(ctx, pause.Backoff(attempt, 50*time.Millisecond, time.Second)); err != nil {
			return err
		}
	}
}

// Refresh reads all anew if the view is older than age.
func (v *View) Refresh(ctx context.Context, age time.Duration) error {
	v.mu.Lock()
	fresh := v.mu.known && v.Now().Sub(v.mu.read) < age
	v.mu.Unlock()
	if fresh {
		return nil
	}
	_, err := v.load(ctx)
	return err
}

// All reads all keys at one revision.
func (v *View) All(ctx context.Context) (items []coordination.Item, at coordination.Revision, err error) {
	r := coordination.Range{Prefix: v.Prefix, Limit: pageItems}
	for {
		page, err := v.KV.List(ctx, r)
		if err != nil {
			return nil, 0, fmt.Errorf("read %s: %w", v.What, err)
		}
		items = append(items, page.Items...)
		if !page.More {
			return items, page.Revision, nil
		}
		r.At, r.After = page.Revision, page.Items[len(page.Items)-1].Key
	}
}

func (v *View) load(ctx context.Context) (coordination.Revision, error) {
	if v.Prepare != nil {
		if err := v.Prepare(ctx); err != nil {
			return 0, err
		}
	}
	now := v.Now()
	items, at, err := v.All(ctx)
	if err != nil {
		return 0, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.Replace(items)
	v.mu.at, v.mu.read = at, now
	v.news()
	if !v.mu.known {
		v.mu.known = true
		close(v.loaded)
	}
	return at, nil
}

func (v *View) follow(ctx context.Context, at coordination.Revision) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := v.KV.Watch(ctx, v.Prefix, at+1)
	if err != nil {
		return fmt.Errorf("watch %s: %w", v.What, err)
	}
	for update := range w.Updates() {
		if update.Err != nil {
			return fmt.Errorf("watch %s: %w", v.What, update.Err)
		}
		v.apply(update)
	}
	return fmt.Errorf("watch %s: %w", v.What, coordination.ErrUnavailable)
}

func (v *View) apply(update coordination.Update) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(update.Events) > 0 {
		v.Apply(update.Events)
	}
	v.mu.at = max(v.mu.at, update.Revision)
	v.news()
}

// news needs the lock.
func (v *View) news() {
	close(v.mu.moved)
	v.mu.moved = make(chan struct{})
}

// Seen waits until the view has come to a revision, for as long as is reasonable: others do not wait either.
func (v *View) Seen(ctx context.Context, at coordination.Revision) {
	if v.Visits {
		if _, err := v.load(ctx); err != nil {
			v.Log.Warn(v.What+" were changed, and cannot be read now", "error", err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, seenWithin)
	defer cancel()
	for {
		v.mu.Lock()
		reached, moved := v.mu.at >= at, v.mu.moved
		v.mu.Unlock()
		if reached {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				v.Log.Warn(v.What + " were changed, but this instance has not heard of it yet")
			}
			return
		}
	}
}
