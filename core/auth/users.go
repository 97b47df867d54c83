package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/watched"
)

// Users is the live view of who has which credentials, and changes them.
//
// A process runs Run, which watches. A function, which cannot watch, calls Refresh.
//
// Without etcd the last view stays: who could log in still can, and what was revoked since then is not known. Before the first view
// nobody can.
type Users struct {
	UsersSettings
	// derivations bounds how many passwords are derived at a time: they are the only dear work that a stranger can ask for.
	derivations *semaphore.Weighted
	derived     atomic.Int64 // iterations, of all passwords together
	view        *watched.View
	mu          struct {
		sync.RWMutex
		byName map[string]map[string]*Credential
		pepper []byte // what salts of unknown users come from
		usual  shape  // of credentials
		known  bool
		proven map[string]proof
	}
}

// UsersSettings are what Users works on.
type UsersSettings struct {
	KV     coordination.KV
	Keys   coordination.Keys
	Now    func() time.Time
	Random io.Reader // cryptographic
	Log    *slog.Logger
}

// NewUsers makes Users; it starts nothing.
func NewUsers(s UsersSettings) *Users {
	u := &Users{UsersSettings: s, derivations: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))}
	u.mu.byName, u.mu.proven = map[string]map[string]*Credential{}, map[string]proof{}
	u.mu.usual = usualOf(nil)
	u.view = watched.New(watched.Settings{
		KV: s.KV, Keys: s.Keys, Prefix: s.Keys.Users(), What: "users", Now: s.Now, Log: s.Log, Prepare: u.prepare, Replace: u.replace, Apply: u.apply,
		Errors: watched.Errors{Unavailable: ErrUnavailable, Unknown: ErrUnknown, NoCluster: ErrNoCluster},
	})
	return u
}

// Loaded is closed once there is a view.
func (u *Users) Loaded() <-chan struct{} { return u.view.Loaded() }

// Run follows etcd until ctx ends.
func (u *Users) Run(ctx context.Context) error { return u.view.Run(ctx) }

// Refresh reads the users anew if the view is older than age.
func (u *Users) Refresh(ctx context.Context, age time.Duration) error {
	return u.view.Refresh(ctx, age)
}

// prepare reads what the salts of unknown users come from.
func (u *Users) prepare(ctx context.Context) error {
	pepper, err := u.ensurePepper(ctx)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mu.pepper = pepper
	return nil
}

func (u *Users) replace(items []coordination.Item) {
	byName := map[string]map[string]*Credential{}
	for _, it := range items {
		u.put(byName, it.Key, it.Value)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.install(byName)
	u.mu.known = true
}

func (u *Users) apply(events []coordination.Event) {
	u.mu.RLock()
	byName := maps.Clone(u.mu.byName)
	u.mu.RUnlock()
	for _, e := range events {
		u.put(byName, e.Key, e.Value)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.install(byName)
}

// put notes one key. A damaged one is a user that cannot log in.
func (u *Users) put(in map[string]map[string]*Credential, key string, value []byte) {
	name, ok := u.Keys.ParseUser(key)
	if !ok {
		return
	}
	if value == nil {
		delete(in, name)
		return
	}
	scram, err := decodeUser(value)
	if err != nil {
		u.Log.Error("user left out", "user", name, "error", err)
		delete(in, name)
		return
	}
	in[name] = scram
}

// install needs the lock.
func (u *Users) install(byName map[string]map[string]*Credential) {
	u.mu.byName, u.mu.usual = byName, usualOf(byName)
	for name, p := range u.mu.proven {
		if !p.credential.equal(byName[name][p.mechanism]) {
			delete(u.mu.proven, name)
		}
	}
}

// Holds says whether what an identity was proven with still stands. One that no stored credential stands behind always does.
func (u *Users) Holds(id *Identity) bool {
	if id.credential == nil {
		return true
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	for _, c := range u.mu.byName[id.Principal.Name] {
		if c == id.credential || c.equal(id.credential) {
			return true
		}
	}
	return false
}

// Listed is a user as it may be shown: without keys and salts.
type Listed struct {
	Name       string
	Mechanisms []ListedMechanism
}

// ListedMechanism is one credential.
type ListedMechanism struct {
	Mechanism  string
	Iterations int
}

// List reads all users from etcd, by name.
func (u *Users) List(ctx context.Context) ([]Listed, error) {
	items, _, err := u.view.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	byName := map[string]map[string]*Credential{}
	for _, it := range items {
		u.put(byName, it.Key, it.Value)
	}
	var out []Listed
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		one := Listed{Name: name}
		for _, m := range slices.Sorted(maps.Keys(byName[name])) {
			one.Mechanisms = append(one.Mechanisms, ListedMechanism{m, byName[name][m].Iterations})
		}
		out = append(out, one)
	}
	return out, nil
}

// Change sets credentials (nil: removes) of one user by mechanism; a user without any is gone. ErrUnknownUser: what should
// be removed is not there, and nothing was changed.
func (u *Users) Change(ctx context.Context, name string, changes map[string]*Credential) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return u.view.Repeat(ctx, func(unsure bool) (bool, error) { return u.change(ctx, name, changes, unsure) })
}

// change is one try. again: an earlier one may have been applied, so that what is to be removed may be gone already.
func (u *Users) change(ctx context.Context, name string, changes map[string]*Credential, again bool) (done bool, err error) {
	key := u.Keys.User(name)
	items, era, err := u.view.Read(ctx, key)
	if err != nil {
		return false, err
	}
	item := items[0]
	s := stored{}
	if item.Create != 0 {
		if s.Scram, err = decodeUser(item.Value); err != nil {
			s.Scram = nil // set anew what nobody can read
		}
	}
	if s.Scram == nil {
		s.Scram = map[string]*Credential{}
	}
	for mechanism, c := range changes {
		if c != nil {
			s.Scram[mechanism] = c
			continue
		}
		if s.Scram[mechanism] == nil && !again {
			return true, ErrUnknownUser
		}
		delete(s.Scram, mechanism)
	}
	write := coordination.DeleteKey(key)
	if len(s.Scram) > 0 {
		value, err := json.Marshal(s)
		if err != nil {
			return true, fmt.Errorf("encode user: %w", err)
		}
		write = coordination.PutKey(key, value)
	}
	guards := []coordination.Guard{era, coordination.ModIs(key, item.Mod)}
	res, err := u.KV.Commit(ctx, guards, []coordination.Change{write})
	if err != nil {
		return false, fmt.Errorf("change user: %w", err)
	}
	return res.Committed, nil
}

// Remove removes a user with all credentials.
func (u *Users) Remove(ctx context.Context, name string) error {
	all, err := u.List(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.Name == name {
			gone := map[string]*Credential{}
			for _, m := range one.Mechanisms {
				gone[m.Mechanism] = nil
			}
			return u.Change(ctx, name, gone)
		}
	}
	return ErrUnknownUser
}
