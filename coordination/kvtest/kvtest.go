// Package kvtest is the conformance suite of coordination.KV: what all that use a KV may rely
// on, and nothing that one implementation has alone.
//
// Owns: the cases. Does not own: starting what is tested, and failures of it (each
// implementation tests its own).
package kvtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
)

// Case is one conformance test. It uses keys below its own name only, so that cases may share a
// store.
type Case struct {
	Name string
	Run  func(t *testing.T, kv coordination.KV)
}

// Compacter is what a KV under test has besides, so that compaction can be tested. Cases that
// need it are skipped without.
type Compacter interface {
	Compact(ctx context.Context, rev coordination.Revision) error
}

// Run runs every case against a KV of its own from open.
func Run(t *testing.T, open func(t *testing.T) coordination.KV) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, open(t)) })
	}
}

// Cases gives all cases, for a caller that wraps each (in a testing/synctest bubble, say).
func Cases() []Case {
	var cases []Case
	for _, group := range [][]scenario{commitScenarios(), listScenarios(), watchScenarios(), leaseScenarios()} {
		for _, s := range group {
			cases = append(cases, Case{s.name, func(t *testing.T, kv coordination.KV) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s.run(&env{T: t, ctx: ctx, kv: kv, root: "/kvtest/" + s.name + "/"})
			}})
		}
	}
	return cases
}

type scenario struct {
	name string
	run  func(e *env)
}

// env is what a scenario works with. Keys given to its methods are relative to root.
type env struct {
	*testing.T
	ctx  context.Context
	kv   coordination.KV
	root string
}

func (e *env) key(k string) string { return e.root + k }

// commit makes changes without guards.
func (e *env) commit(changes ...coordination.Change) coordination.Revision {
	e.Helper()
	res, err := e.kv.Commit(e.ctx, nil, changes)
	if err != nil || !res.Committed {
		e.Fatalf("Commit = %+v, %v", res, err)
	}
	return res.Revision
}

func (e *env) put(key, value string) coordination.Revision {
	e.Helper()
	return e.commit(coordination.PutKey(e.key(key), []byte(value)))
}

func (e *env) remove(key string) coordination.Revision {
	e.Helper()
	return e.commit(coordination.DeleteKey(e.key(key)))
}

func (e *env) get(key string) coordination.Item {
	e.Helper()
	snap, err := e.kv.Get(e.ctx, e.key(key))
	if err != nil || len(snap.Items) != 1 {
		e.Fatalf("Get(%s) = %+v, %v", key, snap, err)
	}
	return snap.Items[0]
}

func (e *env) revision() coordination.Revision {
	e.Helper()
	snap, err := e.kv.Get(e.ctx)
	if err != nil || len(snap.Items) != 0 {
		e.Fatalf("Get() = %+v, %v", snap, err)
	}
	return snap.Revision
}

// wantItem checks an item that is there.
func (e *env) wantItem(got coordination.Item, key, value string, create, mod coordination.Revision) {
	e.Helper()
	if got.Key != e.key(key) || got.Value == nil || string(got.Value) != value || got.Create != create || got.Mod != mod {
		e.Fatalf("item = %s, want %s=%q created %d changed %d", show(got), e.key(key), value, create, mod)
	}
}

func (e *env) wantMissing(got coordination.Item, key string) {
	e.Helper()
	if got.Key != e.key(key) || got.Value != nil || got.Create != 0 || got.Mod != 0 {
		e.Fatalf("item = %s, want %s not there", show(got), e.key(key))
	}
}

func show(i coordination.Item) string {
	return fmt.Sprintf("%s=%.20q (nil %t) created %d changed %d", i.Key, i.Value, i.Value == nil, i.Create, i.Mod)
}

func (e *env) compact(rev coordination.Revision) {
	e.Helper()
	c, ok := e.kv.(Compacter)
	if !ok {
		e.Skip("this KV has no Compact")
	}
	if err := c.Compact(e.ctx, rev); err != nil {
		e.Fatalf("Compact(%d): %v", rev, err)
	}
}
