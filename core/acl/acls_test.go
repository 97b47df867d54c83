package acl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/core/auth"
)

func TestACLs_AChangeCountsHereAtOnceAndElsewhereSoon(t *testing.T) {
	w := newWorld(t)
	here, elsewhere := w.live(), w.live()
	if may(here, "alice", auth.OperationRead, "orders") {
		t.Error("allowed without an ACL")
	}
	w.create(here, allow("alice", "orders", auth.OperationRead))
	if !may(here, "alice", auth.OperationRead, "orders") || !may(here, "alice", auth.OperationDescribe, "orders") || may(here, "alice", auth.OperationWrite, "orders") || may(here, "bob", auth.OperationRead, "orders") {
		t.Error("not what was created")
	}
	until(t, "it is not known elsewhere", func() bool { return may(elsewhere, "alice", auth.OperationRead, "orders") })
	w.create(elsewhere, allow("alice", "ord", auth.OperationAll).prefixed().denied())
	until(t, "the DENY does not count", func() bool { return !may(here, "alice", auth.OperationRead, "orders") })
	gone := here.Delete(t.Context(), []Filter{Everything()})
	if gone[0].Err != nil || len(gone[0].Bindings) != 2 {
		t.Errorf("deleted %+v", gone)
	}
	if left, err := elsewhere.List(t.Context(), Everything()); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestACLs_SuperUsersAndInstancesAreNotAsked(t *testing.T) {
	w := newWorld(t)
	a := w.live()
	w.create(a, Binding{auth.ResourceTopic, Wildcard, PatternLiteral, "User:*", Wildcard, auth.OperationAll, PermissionDeny})
	q := auth.Action{Principal: auth.Principal{Kind: auth.KindInstance, Name: "k"}, Operation: auth.OperationRead, Resource: auth.Resource{Type: auth.ResourceTopic, Name: "t"}}
	if !may(a, "root", auth.OperationWrite, "t") || !a.Allows(t.Context(), q) || may(a, "alice", auth.OperationRead, "t") {
		t.Error("super users and instances are above ACLs, and nobody else")
	}
}

func TestACLs_BeforeAViewNobodyMayDoAnythingButSuperUsers(t *testing.T) {
	w := newWorld(t)
	a := w.live(func(s *Settings) { s.Visits, s.AllowEveryone = true, true })
	if may(a, "alice", auth.OperationRead, "t") || !may(a, "root", auth.OperationRead, "t") {
		t.Error("want no answer to be yes before there is a view")
	}
	if err := a.Refresh(t.Context(), time.Minute); err != nil || !may(a, "alice", auth.OperationRead, "t") {
		t.Errorf("with a view: %v", err)
	}
	w.create(a, allow("bob", "t", auth.OperationRead))
	if may(a, "alice", auth.OperationRead, "t") {
		t.Error("everybody may what no ACL is about, and there is one now")
	}
}

func TestACLs_OneThatCannotBeReadClosesTheDoor(t *testing.T) {
	w := newWorld(t)
	a := w.live()
	w.create(a, allow("alice", "t", auth.OperationRead))
	id, value, err := new(Binding).encode()
	if err != nil {
		t.Fatal(err)
	}
	for key, text := range map[string]string{w.keys.ACL("deadbeef"): "{", w.keys.ACL(id): string(value), w.keys.ACLs() + "a/b": "{}"} {
		w.put(key, text)
		until(t, "alice may still read", func() bool { return !may(a, "alice", auth.OperationRead, "t") })
		if !may(a, "root", auth.OperationRead, "t") || !strings.Contains(w.log.String(), key) {
			t.Errorf("%s: super users may go on, and the log names the key", key)
		}
		if _, err := w.kv.Commit(t.Context(), nil, []coordination.Change{coordination.DeleteKey(key)}); err != nil {
			t.Fatal(err)
		}
		until(t, "alice may not read again", func() bool { return may(a, "alice", auth.OperationRead, "t") })
	}
}

func TestCreate_SaysWhatIsWrongWithEach(t *testing.T) {
	w := newWorld(t)
	a := w.live()
	good := allow("alice", "t", auth.OperationRead)
	change := func(f func(*Binding)) Binding { b := good; f(&b); return b }
	list := []Binding{
		good, good,
		change(func(b *Binding) { b.Name = "" }), change(func(b *Binding) { b.Pattern = PatternMatch }), change(func(b *Binding) { b.Pattern = PatternAny }),
		change(func(b *Binding) { b.Principal = "alice" }), change(func(b *Binding) { b.Principal = "User:" }), change(func(b *Binding) { b.Host = "" }),
		change(func(b *Binding) { b.Permission = PermissionAny }), change(func(b *Binding) { b.Operation = OperationAny }), change(func(b *Binding) { b.Type = ResourceAny }),
		change(func(b *Binding) { b.Type = auth.ResourceCluster }), change(func(b *Binding) { b.Operation = auth.OperationIdempotentWrite }),
		change(func(b *Binding) { b.Type, b.Operation = auth.ResourceGroup, auth.OperationWrite }), change(func(b *Binding) { b.Name = strings.Repeat("x", nameBytesMax+1) }),
		change(func(b *Binding) { b.Host = "\xff" }), change(func(b *Binding) { b.Type = 99 }),
	}
	for i, err := range a.Create(t.Context(), list) {
		if (err != nil) != (i > 1) || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%d %+v: %v", i, list[i], err)
		}
	}
	if all, err := a.List(t.Context(), Everything()); err != nil || len(all) != 1 || all[0] != good {
		t.Errorf("%v, %v", all, err)
	}
}

func TestCreate_StopsAtItsMost(t *testing.T) {
	w := newWorld(t)
	a := w.live(func(s *Settings) { s.Max = 300 })
	var list []Binding
	for i := range 300 {
		list = append(list, allow("alice", fmt.Sprint("t", i), auth.OperationRead))
	}
	w.create(a, list...)
	w.create(a, list...) // they are there already
	if err := a.Create(t.Context(), []Binding{allow("alice", "more", auth.OperationRead)})[0]; !errors.Is(err, ErrTooMany) {
		t.Errorf("%v", err)
	}
	gone := a.Delete(t.Context(), []Filter{Everything()})
	if gone[0].Err != nil || len(gone[0].Bindings) != 300 {
		t.Errorf("%d, %v", len(gone[0].Bindings), gone[0].Err)
	}
	if len(a.mu.index.literal[auth.ResourceTopic]) != 0 {
		t.Error("deleted ACLs still count")
	}
}

func TestDelete_OnlyWhatAFilterMeans(t *testing.T) {
	w := newWorld(t)
	a := w.live()
	text := func(s string) *string { return &s }
	w.create(a, allow("alice", "orders", auth.OperationRead), allow("alice", "or", auth.OperationRead).prefixed(), allow("alice", Wildcard, auth.OperationRead), allow("bob", "orders", auth.OperationWrite), allow("bob", "order", auth.OperationWrite))
	match := Everything()
	match.Pattern, match.Name = PatternMatch, text("orders")
	literal := Everything()
	literal.Pattern, literal.Name, literal.Principal = PatternLiteral, text("orders"), text("User:bob")
	for want, f := range map[int]Filter{4: match, 1: literal, 5: Everything()} {
		if got, err := a.List(t.Context(), f); err != nil || len(got) != want {
			t.Errorf("%+v: %d, want %d: %v", f, len(got), want, err)
		}
	}
	wrong := Everything()
	wrong.Operation = 99
	gone := a.Delete(t.Context(), []Filter{literal, wrong, match})
	if len(gone[0].Bindings) != 1 || !errors.Is(gone[1].Err, ErrInvalid) || len(gone[2].Bindings) != 4 || gone[0].Err != nil || gone[2].Err != nil {
		t.Errorf("%+v", gone)
	}
	if left, err := a.List(t.Context(), Everything()); err != nil || len(left) != 1 || left[0].Name != "order" {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestChange_WithoutAClusterNothingIsWritten(t *testing.T) {
	w := newWorld(t)
	w.keys = coordination.NewKeys("other")
	a := w.live()
	if err := a.Create(t.Context(), []Binding{allow("a", "t", auth.OperationRead)})[0]; !errors.Is(err, ErrNoCluster) {
		t.Errorf("create: %v", err)
	}
	if err := a.Delete(t.Context(), []Filter{Everything()})[0].Err; !errors.Is(err, ErrNoCluster) {
		t.Errorf("delete: %v", err)
	}
}

// lossy loses the answer to the first commit.
type lossy struct {
	coordination.KV
	lost bool
}

func (l *lossy) Commit(ctx context.Context, guards []coordination.Guard, changes []coordination.Change, orElse ...string) (coordination.Result, error) {
	res, err := l.KV.Commit(ctx, guards, changes, orElse...)
	if !l.lost && err == nil {
		l.lost = true
		return coordination.Result{}, coordination.ErrUnknown
	}
	return res, err
}

func TestDelete_WhatALostAnswerDeletedIsStillSaid(t *testing.T) {
	w := newWorld(t)
	w.create(w.live(), allow("alice", "t", auth.OperationRead))
	w.kv = &lossy{KV: w.kv}
	gone := w.live().Delete(t.Context(), []Filter{Everything()})
	if gone[0].Err != nil || len(gone[0].Bindings) != 1 {
		t.Errorf("%+v", gone)
	}
}
