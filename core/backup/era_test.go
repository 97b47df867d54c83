package backup_test

import (
	"context"
	"errors"
	"testing"

	"github.com/firnlog/firnlog/coordination"
	kvmemory "github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/coretest"
	"github.com/firnlog/firnlog/core/ledger"
)

// rebuilding is an etcd that is lost, and restored as a new era, after a Get of log/format was answered.
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

// another is an etcd of a new era that has come further than the one before.
func (f *fixture) another() *kvmemory.KV {
	f.t.Helper()
	etcd := kvmemory.New(kvmemory.Settings{})
	guards, changes := ledger.Creation(f.Keys, ledger.Format{Version: ledger.FormatVersion, Era: "another"}, coordination.Mark(f.Start.UnixMilli()))
	if _, err := etcd.Commit(f.t.Context(), guards, changes); err != nil {
		f.t.Fatal(err)
	}
	for range 200 {
		if _, err := etcd.Commit(f.t.Context(), nil, []coordination.Change{coordination.PutKey(f.Keys.Root()+"users/u", []byte("x"))}); err != nil {
			f.t.Fatal(err)
		}
	}
	return etcd
}

// A writer of backups and journal is paused after it has looked at the era. What it reads then, at revisions that the rebuilt
// etcd has too, is of another history, and must not be put under the old era's name: a restore would fold the old journal onto it.
func TestKeeper_WhatAnotherEraHoldsIsNotKeptUnderTheNameOfTheOneBefore(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.write(f.keeper)
		f.in.MustProduce(coretest.Plain(f.tp, "x"))
		f.write(f.keeper)
		f.in.MustProduce(coretest.Plain(f.tp, "y"))
		headers, _ := f.journals()
		roots := f.roots()
		for name, step := range map[string]func(*backup.Keeper) error{
			"backup":  func(k *backup.Keeper) error { _, err := k.Take(t.Context()); return err },
			"journal": func(k *backup.Keeper) error { return k.WriteJournal(t.Context()) },
		} {
			k := f.newKeeper(7, f.Disk)
			etcd := &rebuilding{KV: f.Etcd}
			etcd.then = func() { etcd.KV = f.another() }
			k.KV = etcd
			if err := step(k); !errors.Is(err, ledger.ErrEra) {
				t.Errorf("%s: %v, want ErrEra", name, err)
			}
		}
		if now, _ := f.journals(); len(now) != len(headers) || f.roots() != roots {
			t.Errorf("%d journal objects and %d backups, there were %d and %d", len(now), f.roots(), len(headers), roots)
		}
	})
}
