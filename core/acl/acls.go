package acl

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/watched"
)

// ACLs is the live view of all ACLs, an auth.Authorizer that asks it, and what changes them.
//
// A process runs Run, which watches. A function, which cannot watch, calls Refresh.
//
// Without etcd the last view stays. Before the first one, only super users may do anything.
type ACLs struct {
	Settings
	super map[auth.Principal]bool
	view  *watched.View
	mu    struct {
		sync.RWMutex
		index      *index
		byID       map[string]Binding
		unreadable map[string]bool // ids: while there are any, super users alone may do anything
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

// New makes ACLs; it starts nothing.
func New(s Settings) *ACLs {
	if s.Max == 0 {
		s.Max = MaxUsual
	}
	a := &ACLs{Settings: s, super: map[auth.Principal]bool{}}
	for _, p := range s.SuperUsers {
		a.super[p] = true
	}
	a.mu.index, a.mu.byID, a.mu.unreadable = newIndex(), map[string]Binding{}, map[string]bool{}
	a.view = watched.New(watched.Settings{
		KV: s.KV, Keys: s.Keys, Prefix: s.Keys.ACLs(), What: "ACLs", Now: s.Now, Log: s.Log, Visits: s.Visits, Replace: a.replace, Apply: a.apply,
		Errors: watched.Errors{Unavailable: ErrUnavailable, Unknown: ErrUnknown, NoCluster: ErrNoCluster},
	})
	return a
}

// Loaded is closed once there is a view.
func (a *ACLs) Loaded() <-chan struct{} { return a.view.Loaded() }

// Run follows etcd until ctx ends.
func (a *ACLs) Run(ctx context.Context) error { return a.view.Run(ctx) }

// Refresh reads all anew if the view is older than age.
func (a *ACLs) Refresh(ctx context.Context, age time.Duration) error { return a.view.Refresh(ctx, age) }

func (a *ACLs) replace(items []coordination.Item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.index, a.mu.byID, a.mu.unreadable, a.mu.known = newIndex(), map[string]Binding{}, map[string]bool{}, true
	for _, it := range items {
		a.put(it.Key, it.Value)
	}
}

func (a *ACLs) apply(events []coordination.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range events {
		a.put(e.Key, e.Value)
	}
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
