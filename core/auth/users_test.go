package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
)

func TestUsers_WhatIsStoredHoldsNoPassword(t *testing.T) {
	w := newWorld(t)
	w.knowing("alice")
	page, err := w.kv.List(t.Context(), coordination.Range{Prefix: w.keys.Root()})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range page.Items {
		if strings.Contains(string(it.Value), "pw-alice") {
			t.Errorf("%s holds the password: %s", it.Key, it.Value)
		}
	}
}

func TestUsers_AChangeElsewhereIsSeenAndEndsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		here, elsewhere := w.users(), w.users()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- here.Run(ctx) }()
		<-here.Loaded()
		w.set(elsewhere, "alice", "one")
		synctest.Wait()
		first, err := here.VerifyPassword(ctx, "alice", "one")
		if err != nil || !here.Holds(first) {
			t.Fatalf("%v, %v", first, err)
		}
		w.set(elsewhere, "alice", "two")
		synctest.Wait()
		if here.Holds(first) {
			t.Error("a session of the old password holds on")
		}
		if _, err := here.VerifyPassword(ctx, "alice", "one"); !errors.Is(err, ErrDenied) {
			t.Errorf("the old password: %v", err)
		}
		second, err := here.VerifyPassword(ctx, "alice", "two")
		if err != nil {
			t.Fatal(err)
		}
		if err := elsewhere.Remove(ctx, "alice"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := here.VerifyPassword(ctx, "alice", "two"); !errors.Is(err, ErrDenied) || here.Holds(second) {
			t.Errorf("a removed user: %v", err)
		}
		cancel()
		<-done
	})
}

func TestUsers_WithoutAViewNobodyLogsIn(t *testing.T) {
	u := newWorld(t).users()
	if _, err := u.VerifyPassword(t.Context(), "alice", "x"); !errors.Is(err, ErrNotNow) {
		t.Errorf("password: %v", err)
	}
	if _, _, err := u.beginScram(ScramSHA256).Step(t.Context(), []byte("n,,n=alice,r=abc")); !errors.Is(err, ErrNotNow) {
		t.Errorf("SCRAM: %v", err)
	}
}

func TestUsers_AnUnknownUserCostsWhatAKnownOneDoes(t *testing.T) {
	u := newWorld(t).knowing("alice", "bob")
	work := func(name, password string) int64 {
		before := u.derived.Load()
		if _, err := u.VerifyPassword(t.Context(), name, password); !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
		return u.derived.Load() - before
	}
	if known, unknown := work("alice", "wrong"), work("nobody", "wrong"); known != unknown || known < IterationsMin {
		t.Errorf("a known user costs %d iterations, an unknown one %d", known, unknown)
	}
}

func TestUsers_ARightPasswordIsDerivedOnce(t *testing.T) {
	u := newWorld(t).knowing("alice")
	for range 50 {
		if _, err := u.VerifyPassword(t.Context(), "alice", "pw-alice"); err != nil {
			t.Fatal(err)
		}
	}
	if n := u.derived.Load(); n != IterationsMin {
		t.Errorf("%d iterations for one password", n)
	}
	if _, err := u.VerifyPassword(t.Context(), "alice", "pw-alicf"); !errors.Is(err, ErrDenied) {
		t.Errorf("another password after it: %v", err)
	}
}

// rebuilding is an etcd that is restored as another era after it was read.
type rebuilding struct {
	coordination.KV
	then func()
}

func (r *rebuilding) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	snap, err := r.KV.Get(ctx, keys...)
	if then := r.then; then != nil {
		r.then = nil
		then()
	}
	return snap, err
}

func TestUsers_WhatWasReadInOneEraIsNotWrittenInAnother(t *testing.T) {
	w := newWorld(t)
	u := w.knowing("alice")
	etcd := &rebuilding{KV: w.kv}
	u.KV, u.view.KV = etcd, etcd
	restored := newWorld(t) // its alice has the very revision that she had in the lost one
	fresh, err := NewCredential(rand.Reader, ScramSHA512, "restored", IterationsMin)
	if err != nil {
		t.Fatal(err)
	}
	restored.kv = memory.New(memory.Settings{})
	restored.put(restored.keys.Format(), `{"era":"two"}`)
	if err := restored.users().Change(t.Context(), "alice", map[string]*Credential{ScramSHA512: fresh}); err != nil {
		t.Fatal(err)
	}
	etcd.then = func() { etcd.KV = restored.kv }
	changed, err := NewCredential(rand.Reader, ScramSHA256, "changed", IterationsMin)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Change(t.Context(), "alice", map[string]*Credential{ScramSHA256: changed}); err != nil {
		t.Fatal(err)
	}
	snap, err := restored.kv.Get(t.Context(), restored.keys.User("alice"))
	if err != nil {
		t.Fatal(err)
	}
	if now, err := decodeUser(snap.Items[0].Value); err != nil || !now[ScramSHA512].equal(fresh) || !now[ScramSHA256].equal(changed) {
		t.Errorf("%+v, %v: what was read in the old era was written over what was restored", now, err)
	}
}

// losing is an etcd that applies a commit, and does not say so.
type losing struct {
	coordination.KV
	lose bool
}

func (l *losing) Commit(ctx context.Context, g []coordination.Guard, c []coordination.Change, orElse ...string) (coordination.Result, error) {
	res, err := l.KV.Commit(ctx, g, c, orElse...)
	if l.lose && err == nil {
		l.lose = false
		return coordination.Result{}, coordination.ErrUnknown
	}
	return res, err
}

func TestUsers_AChangeWhoseAnswerWasLostIsFound(t *testing.T) {
	w := newWorld(t)
	u := w.knowing("alice")
	kv := &losing{KV: w.kv, lose: true}
	u.KV, u.view.KV = kv, kv
	if err := u.Remove(t.Context(), "alice"); err != nil {
		t.Errorf("remove: %v", err)
	}
	if err := u.Remove(t.Context(), "alice"); !errors.Is(err, ErrUnknownUser) {
		t.Errorf("remove again: %v", err)
	}
}

func TestUsers_NamesThatCannotBeAreRefused(t *testing.T) {
	u := newWorld(t).knowing()
	for _, name := range []string{"", "a\x00b", "a\nb", "\xff", strings.Repeat("x", 257)} {
		if err := u.Change(t.Context(), name, nil); !errors.Is(err, ErrInvalidUser) {
			t.Errorf("%q: %v", name, err)
		}
	}
	w := newWorld(t)
	for _, name := range []string{"a/b", "%2F", "ü ö", "CN=x,O=y"} {
		w.set(w.users(), name, "p")
	}
	listed, err := w.users().List(t.Context())
	if err != nil || len(listed) != 4 {
		t.Errorf("%v, %v", listed, err)
	}
}

func TestUsers_ADamagedUserCannotLogInAndHarmsNobody(t *testing.T) {
	w := newWorld(t)
	w.put(w.keys.User("broken"), `{"scram":{"SCRAM-SHA-256":{"salt":"","iterations":1}}}`)
	u := w.knowing("alice")
	if _, err := u.VerifyPassword(t.Context(), "broken", ""); !errors.Is(err, ErrDenied) {
		t.Errorf("broken: %v", err)
	}
	if _, err := u.VerifyPassword(t.Context(), "alice", "pw-alice"); err != nil {
		t.Errorf("alice: %v", err)
	}
}
