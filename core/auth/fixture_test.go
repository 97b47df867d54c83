package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
)

// world is an etcd with a cluster, and what was logged.
type world struct {
	t    *testing.T
	kv   coordination.KV
	keys coordination.Keys
	log  bytes.Buffer
	now  time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, kv: memory.New(memory.Settings{}), keys: coordination.NewKeys("c"), now: time.Unix(1_800_000_000, 0)}
	w.put(w.keys.Format(), `{"era":"one"}`)
	return w
}

func (w *world) put(key, value string) {
	w.t.Helper()
	if _, err := w.kv.Commit(context.Background(), nil, []coordination.Change{coordination.PutKey(key, []byte(value))}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) users() *Users {
	return NewUsers(UsersSettings{KV: w.kv, Keys: w.keys, Now: func() time.Time { return w.now }, Random: rand.Reader, Log: slog.New(slog.NewTextHandler(&w.log, nil))})
}

// knowing gives users with a view of those named, each with the password "pw-" and its name.
func (w *world) knowing(names ...string) *Users {
	w.t.Helper()
	u := w.users()
	for _, n := range names {
		w.set(u, n, "pw-"+n)
	}
	if err := u.Refresh(w.t.Context(), 0); err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) set(u *Users, name, password string) {
	w.t.Helper()
	changes := map[string]*Credential{}
	for _, m := range []string{ScramSHA256, ScramSHA512} {
		c, err := NewCredential(rand.Reader, m, password, IterationsMin)
		if err != nil {
			w.t.Fatal(err)
		}
		changes[m] = c
	}
	if err := u.Change(w.t.Context(), name, changes); err != nil {
		w.t.Fatal(err)
	}
}
