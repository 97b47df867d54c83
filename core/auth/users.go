package auth

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/firnlog/firnlog/core/pause"
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
	loaded      chan struct{}
	mu          struct {
		sync.RWMutex
		byName map[string]map[string]*Credential
		pepper []byte    // what salts of unknown users come from
		usual  shape     // of credentials
		at     time.Time // of the view, for Refresh
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
	u := &Users{UsersSettings: s, derivations: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0))), loaded: make(chan struct{})}
	u.mu.byName, u.mu.proven = map[string]map[string]*Credential{}, map[string]proof{}
	u.mu.usual = usualOf(nil)
	return u
}

// Loaded is closed once there is a view.
func (u *Users) Loaded() <-chan struct{} { return u.loaded }

// Run follows etcd until ctx ends.
func (u *Users) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		at, err := u.load(ctx)
		if err == nil {
			attempt = 0
			err = u.follow(ctx, at)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, ErrNoCluster) { // which is about to be made
			u.Log.Warn("reading users again", "cause", err)
		}
		if err := pause.For(ctx, pause.Backoff(attempt, 50*time.Millisecond, time.Second)); err != nil {
			return err
		}
	}
}

// Refresh reads the users anew if the view is older than age.
func (u *Users) Refresh(ctx context.Context, age time.Duration) error {
	u.mu.RLock()
	fresh := u.mu.known && u.Now().Sub(u.mu.at) < age
	u.mu.RUnlock()
	if fresh {
		return nil
	}
	_, err := u.load(ctx)
	return err
}

// load reads all users at one revision.
func (u *Users) load(ctx context.Context) (coordination.Revision, error) {
	pepper, err := u.ensurePepper(ctx)
	if err != nil {
		return 0, err
	}
	now := u.Now()
	page, err := u.KV.List(ctx, coordination.Range{Prefix: u.Keys.Users()})
	if err != nil {
		return 0, fmt.Errorf("read users: %w", err)
	}
	byName := map[string]map[string]*Credential{}
	for _, it := range page.Items {
		u.put(byName, it.Key, it.Value)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mu.pepper, u.mu.at = pepper, now
	u.install(byName)
	if !u.mu.known {
		u.mu.known = true
		close(u.loaded)
	}
	return page.Revision, nil
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

func (u *Users) follow(ctx context.Context, at coordination.Revision) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := u.KV.Watch(ctx, u.Keys.Users(), at+1)
	if err != nil {
		return fmt.Errorf("watch users: %w", err)
	}
	for update := range w.Updates() {
		if update.Err != nil {
			return fmt.Errorf("watch users: %w", update.Err)
		}
		if len(update.Events) == 0 {
			continue
		}
		u.mu.RLock()
		byName := maps.Clone(u.mu.byName)
		u.mu.RUnlock()
		for _, e := range update.Events {
			u.put(byName, e.Key, e.Value)
		}
		u.mu.Lock()
		u.install(byName)
		u.mu.Unlock()
	}
	return fmt.Errorf("watch users: %w", coordination.ErrUnavailable)
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
	page, err := u.KV.List(ctx, coordination.Range{Prefix: u.Keys.Users()})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	byName := map[string]map[string]*Credential{}
	for _, it := range page.Items {
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

const changeTries = 8

// Change sets credentials (nil: removes) of one user by mechanism; a user without any is gone. ErrUnknownUser: what should
// be removed is not there, and nothing was changed.
//
// The transaction compares log/format by value with what was read together with the user, since revisions repeat in an etcd that was rebuilt.
func (u *Users) Change(ctx context.Context, name string, changes map[string]*Credential) error {
	if err := CheckName(name); err != nil {
		return err
	}
	unsure := false
	var last error
	for try := range changeTries {
		if try > 0 {
			if err := pause.For(ctx, pause.Backoff(try-1, 20*time.Millisecond, 500*time.Millisecond)); err != nil {
				break
			}
		}
		done, err := u.change(ctx, name, changes, unsure)
		if done {
			return err
		}
		unsure, last = unsure || errors.Is(err, coordination.ErrUnknown), err
	}
	if last == nil {
		last = errors.New("others changed the same user each time")
	}
	if unsure {
		return fmt.Errorf("%w: %w", ErrUnknown, last)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, last)
}

// change is one try. again: an earlier one may have been applied, so that what is to be removed may be gone already.
func (u *Users) change(ctx context.Context, name string, changes map[string]*Credential, again bool) (done bool, err error) {
	key := u.Keys.User(name)
	snap, err := u.KV.Get(ctx, u.Keys.Format(), key)
	if err != nil {
		return false, fmt.Errorf("read user: %w", err)
	}
	format, item := snap.Items[0], snap.Items[1]
	if format.Create == 0 {
		return true, ErrNoCluster
	}
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
	guards := []coordination.Guard{coordination.ValueIs(u.Keys.Format(), format.Value), coordination.ModIs(key, item.Mod)}
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
