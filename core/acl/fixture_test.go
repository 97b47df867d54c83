package acl

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/coordination/memory"
	"github.com/firnlog/firnlog/core/auth"
)

// world is an etcd with a cluster.
type world struct {
	t    testing.TB
	kv   coordination.KV
	keys coordination.Keys
	log  lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, kv: memory.New(memory.Settings{}), keys: coordination.NewKeys("c")}
	w.put(w.keys.Format(), `{"era":"one"}`)
	return w
}

func (w *world) put(key, value string) {
	w.t.Helper()
	if _, err := w.kv.Commit(context.Background(), nil, []coordination.Change{coordination.PutKey(key, []byte(value))}); err != nil {
		w.t.Fatal(err)
	}
}

// live is a view that follows etcd until the test ends.
func (w *world) live(change ...func(*Settings)) *ACLs {
	w.t.Helper()
	s := Settings{KV: w.kv, Keys: w.keys, Now: time.Now, Log: slog.New(slog.NewTextHandler(&w.log, nil)), SuperUsers: []auth.Principal{auth.User("root")}}
	for _, c := range change {
		c(&s)
	}
	a := New(s)
	if s.Visits {
		return a
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = a.Run(ctx) }()
	w.t.Cleanup(func() { cancel(); <-ran })
	<-a.Loaded()
	return a
}

// allow is an ACL of a topic by its exact name, for anybody's host.
func allow(user, topic string, op auth.Operation) Binding {
	return Binding{auth.ResourceTopic, topic, PatternLiteral, "User:" + user, Wildcard, op, PermissionAllow}
}

func (b Binding) prefixed() Binding { b.Pattern = PatternPrefixed; return b }
func (b Binding) denied() Binding   { b.Permission = PermissionDeny; return b }

func (w *world) create(a *ACLs, list ...Binding) {
	w.t.Helper()
	for i, err := range a.Create(context.Background(), list) {
		if err != nil {
			w.t.Fatalf("%+v: %v", list[i], err)
		}
	}
}

func may(a *ACLs, user string, op auth.Operation, topic string) bool {
	return a.Allows(context.Background(), auth.Action{Principal: auth.User(user), Host: "10.0.0.1", Operation: op, Resource: auth.Resource{Type: auth.ResourceTopic, Name: topic}})
}

// until waits for something that another instance does.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}
