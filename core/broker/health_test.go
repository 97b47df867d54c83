package broker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlog/firnlog/coordination"
	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
)

// readyz asks until the answer is as wanted.
func readyz(t *testing.T, b *running, status int, part, message string) Readiness {
	t.Helper()
	var last Readiness
	var code int
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		res, err := http.Get(b.http + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		last = Readiness{}
		err = json.NewDecoder(res.Body).Decode(&last)
		res.Body.Close()
		if code = res.StatusCode; err == nil && code == status && strings.Contains(last.Parts[part].Error, message) && last.Parts[part].OK == (message == "") {
			return last
		}
	}
	t.Fatalf("want %d and %s: %q; it is %d %+v", status, part, message, code, last)
	return last
}

// broken are a store and a key-value store that fail when they are told to.
type brokenStore struct {
	objectstore.Store
	broken *atomic.Bool
}

var errBroken = errors.New("cable is out")

func (s brokenStore) Get(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if s.broken.Load() {
		return nil, errors.Join(objectstore.ErrUnavailable, errBroken)
	}
	return s.Store.Get(ctx, key, offset, length)
}

func (s brokenStore) List(ctx context.Context, prefix, after string, limit int) ([]objectstore.Info, error) {
	if s.broken.Load() {
		return nil, errors.Join(objectstore.ErrUnavailable, errBroken)
	}
	return s.Store.List(ctx, prefix, after, limit)
}

func (s brokenStore) Put(ctx context.Context, key string, body ...[]byte) error {
	if s.broken.Load() {
		return errors.Join(objectstore.ErrUnavailable, errBroken)
	}
	return s.Store.Put(ctx, key, body...)
}

type brokenKV struct {
	coordination.KV
	broken *atomic.Bool
}

func (k brokenKV) Get(ctx context.Context, keys ...string) (coordination.Snapshot, error) {
	if k.broken.Load() {
		return coordination.Snapshot{}, errors.Join(coordination.ErrUnavailable, errBroken)
	}
	return k.KV.Get(ctx, keys...)
}

func TestReadyz_SaysWhatIsWrongAndSinceWhen(t *testing.T) {
	var store, etcd atomic.Bool
	b := start(t, brokenStore{memory.New(), &store}, brokenKV{newKV(), &etcd})
	well := readyz(t, b, http.StatusOK, "stream", "")
	for _, part := range []string{"stream", "etcd", "store", "listeners", "draining"} {
		if p, ok := well.Parts[part]; !ok || !p.OK || p.Since.IsZero() {
			t.Errorf("%s: %+v", part, p)
		}
	}
	began := time.Now().Add(-time.Millisecond)
	etcd.Store(true)
	down := readyz(t, b, http.StatusServiceUnavailable, "etcd", "cable is out")
	if since := down.Parts["etcd"].Since; since.Before(began) || !down.Parts["stream"].OK || down.Status != "not ready" {
		t.Errorf("%+v, broken at %v", down, began)
	}
	again := readyz(t, b, http.StatusServiceUnavailable, "etcd", "cable is out")
	if again.Parts["etcd"].Since != down.Parts["etcd"].Since {
		t.Error("what goes on seems to begin with each look")
	}
	if v := sampleOf(scrape(t, b), `firnlog_ready{part="etcd"}`); v != 0 {
		t.Errorf("firnlog_ready is %v", v)
	}
	etcd.Store(false)
	readyz(t, b, http.StatusOK, "etcd", "")
}

func TestReadyz_AStoreThatIsDownIsNoticedAndSoIsItsReturn(t *testing.T) {
	var store, etcd atomic.Bool
	b := start(t, brokenStore{memory.New(), &store}, brokenKV{newKV(), &etcd}, func(s *Settings) { s.JournalEvery = time.Second })
	readyz(t, b, http.StatusOK, "store", "")
	store.Store(true)
	readyz(t, b, http.StatusServiceUnavailable, "store", "cable is out")
	store.Store(false)
	readyz(t, b, http.StatusOK, "store", "") // nobody asked it for anything meanwhile but the health itself
}

func TestHealthz_StaysAliveWhateverElseIsWrong(t *testing.T) {
	var store, etcd atomic.Bool
	b := start(t, brokenStore{memory.New(), &store}, brokenKV{newKV(), &etcd})
	etcd.Store(true)
	res, err := http.Get(b.http + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
}
