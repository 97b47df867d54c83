package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/localstack/etcd"
)

func put(key string) []coordination.Change {
	return []coordination.Change{coordination.PutKey(key, []byte("x"))}
}

// freeAddr gives an address where nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

func TestRequests_WithoutAServerAreUnavailable(t *testing.T) {
	kv := dial(t, Settings{Endpoints: []string{freeAddr(t)}, RequestTimeout: 200 * time.Millisecond})
	ctx := t.Context()
	_, commit := kv.Commit(ctx, nil, put("a"))
	_, get := kv.Get(ctx, "a")
	_, list := kv.List(ctx, coordination.Range{Prefix: "a"})
	_, watch := kv.Watch(ctx, "a", 1)
	_, grant := kv.Grant(ctx, time.Minute)
	renew := lease{kv, 1}.Renew(ctx)
	for what, err := range map[string]error{"Commit": commit, "Get": get, "List": list, "Watch": watch, "Grant": grant, "Renew": renew} {
		if !errors.Is(err, coordination.ErrUnavailable) || errors.Is(err, coordination.ErrUnknown) {
			t.Errorf("%s: %v, want ErrUnavailable", what, err)
		}
	}
}

func TestCommit_AnswerLostAfterItWasAppliedIsUnknown(t *testing.T) {
	endpoint := start(t, etcd.Settings{}).Endpoints()[0]
	direct := dial(t, Settings{Endpoints: []string{endpoint}})
	p := startProxy(t, endpoint)
	kv := dial(t, Settings{Endpoints: []string{p.addr()}})
	if _, err := kv.Commit(t.Context(), nil, put("first")); err != nil {
		t.Fatal(err)
	}
	w, err := direct.Watch(t.Context(), "a", 0)
	if err != nil {
		t.Fatal(err)
	}

	p.hold(false, true)
	failed := make(chan error, 1)
	go func() {
		_, err := kv.Commit(t.Context(), nil, put("a"))
		failed <- err
	}()
	<-w.Updates() // it is applied
	p.cut()
	if err := <-failed; !errors.Is(err, coordination.ErrUnknown) || errors.Is(err, coordination.ErrUnavailable) {
		t.Errorf("Commit: %v, want ErrUnknown", err)
	}
	// The same KV works again, and sees what happened.
	snap, err := kv.Get(t.Context(), "a")
	if err != nil || snap.Items[0].Value == nil {
		t.Errorf("Get = %+v, %v; want the key", snap, err)
	}
}

func TestCommit_LostOnItsWayIsUnknown(t *testing.T) {
	endpoint := start(t, etcd.Settings{}).Endpoints()[0]
	p := startProxy(t, endpoint)
	kv := dial(t, Settings{Endpoints: []string{p.addr()}})
	if _, err := kv.Commit(t.Context(), nil, put("first")); err != nil {
		t.Fatal(err)
	}
	p.hold(true, false)
	failed := make(chan error, 1)
	go func() {
		_, err := kv.Commit(t.Context(), nil, put("a"))
		failed <- err
	}()
	<-p.dropped
	p.cut()
	if err := <-failed; !errors.Is(err, coordination.ErrUnknown) {
		t.Errorf("Commit: %v, want ErrUnknown", err)
	}
	snap, err := kv.Get(t.Context(), "a")
	if err != nil || snap.Items[0].Value != nil {
		t.Errorf("Get = %+v, %v; want no key: this test lost it", snap, err)
	}
}

func TestCommit_DeadlineAfterSendingIsUnknown(t *testing.T) {
	p := startProxy(t, start(t, etcd.Settings{}).Endpoints()[0])
	kv := dial(t, Settings{Endpoints: []string{p.addr()}})
	if _, err := kv.Commit(t.Context(), nil, put("first")); err != nil {
		t.Fatal(err)
	}
	p.hold(false, true)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := kv.Commit(ctx, nil, put("a")); !errors.Is(err, coordination.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Commit: %v, want ErrUnknown and the deadline", err)
	}
}

// An acknowledged commit is there after the restart, one that is Unavailable is not, and a watch
// over the restart misses nothing and repeats nothing.
func TestRestart_TheSameKVGoesOn(t *testing.T) {
	settings := etcd.Settings{Dir: t.TempDir()}
	s := start(t, settings)
	settings.Addr = s.Endpoints()[0]
	kv := dial(t, Settings{Endpoints: s.Endpoints(), RequestTimeout: 500 * time.Millisecond})
	w, err := kv.Watch(t.Context(), "k/", 0)
	if err != nil {
		t.Fatal(err)
	}

	outcomes := map[string]error{}
	revisions := map[string]coordination.Revision{}
	commit := func(i int) error {
		key := fmt.Sprintf("k/%06d", i)
		res, err := kv.Commit(t.Context(), []coordination.Guard{coordination.Missing(key)}, put(key))
		if err == nil {
			revisions[key] = res.Revision
		}
		outcomes[key] = err
		return err
	}
	n, stopped := 0, make(chan struct{})
	for ; ; n++ {
		if n == 50 {
			go func() {
				defer close(stopped)
				s.Close()
			}()
		}
		if err := commit(n); err != nil {
			if !errors.Is(err, coordination.ErrUnknown) && !errors.Is(err, coordination.ErrUnavailable) {
				t.Fatalf("Commit while the server stops: %v", err)
			}
			break
		}
	}
	<-stopped
	if err := w.RequestProgress(t.Context()); err != nil && !errors.Is(err, coordination.ErrUnavailable) {
		t.Errorf("RequestProgress without a server: %v", err)
	}
	if n++; commit(n) == nil {
		t.Error("a commit without a server succeeded")
	}
	start(t, settings)
	if n++; commit(n) != nil {
		t.Fatalf("Commit after the restart: %v", outcomes[fmt.Sprintf("k/%06d", n)])
	}

	page, err := kv.List(t.Context(), coordination.Range{Prefix: "k/"})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]coordination.Revision{}
	for _, i := range page.Items {
		there[i.Key] = i.Create
	}
	for key, err := range outcomes {
		switch {
		case err == nil && there[key] != revisions[key]:
			t.Errorf("%s was acknowledged at %d and is at %d", key, revisions[key], there[key])
		case errors.Is(err, coordination.ErrUnavailable) && there[key] != 0:
			t.Errorf("%s is there, after %v", key, err)
		}
	}
	watchedAll(t, w, there)
}

// watchedAll reads the watch until it has given every key of there, in order, as it was created.
func watchedAll(t *testing.T, w coordination.Watcher, there map[string]coordination.Revision) {
	t.Helper()
	for last := coordination.Revision(0); len(there) > 0; {
		u := <-w.Updates()
		if u.Err != nil {
			t.Fatalf("the watch ended: %v", u.Err)
		}
		for _, e := range u.Events {
			if e.Revision <= last || there[e.Key] != e.Revision {
				t.Errorf("event of %s at %d, after %d; it is at %d", e.Key, e.Revision, last, there[e.Key])
			}
			last = e.Revision
			delete(there, e.Key)
		}
	}
}

func TestClose_EndsWatchesAndRequests(t *testing.T) {
	kv, err := Dial(Settings{Endpoints: start(t, etcd.Settings{}).Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	w, err := kv.Watch(t.Context(), "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Close(); err != nil {
		t.Error(err)
	}
	if u := <-w.Updates(); !errors.Is(u.Err, coordination.ErrUnavailable) {
		t.Errorf("update %+v, want ErrUnavailable", u)
	}
	if u, open := <-w.Updates(); open {
		t.Errorf("update %+v after the end", u)
	}
	if err := w.RequestProgress(t.Context()); !errors.Is(err, coordination.ErrUnavailable) {
		t.Errorf("RequestProgress: %v, want ErrUnavailable", err)
	}
	if _, err := kv.Commit(t.Context(), nil, put("a")); !errors.Is(err, coordination.ErrUnavailable) {
		t.Errorf("Commit: %v, want ErrUnavailable", err)
	}
}
