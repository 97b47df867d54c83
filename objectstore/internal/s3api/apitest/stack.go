package apitest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/storetest"
	"github.com/firnlog/firnlog/objectstore/storetest/servers"
)

// Open makes a store on a real server; each prefix is empty at first.
type Open func(t *testing.T, server *servers.Server, prefix string, transport http.RoundTripper) objectstore.Store

// RunOnServer runs the conformance suite and what only a real server shows.
func RunOnServer(t *testing.T, server *servers.Server, open Open) {
	var prefixes atomic.Int64
	fresh := func() string { return "t" + string(rune('a'+prefixes.Add(1))) + "/x" }
	t.Run("Store", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) objectstore.Store { return open(t, server, fresh(), nil) })
	})
	t.Run("Put_CorruptedUploadIsRefused", func(t *testing.T) { corrupted(t, server, fresh(), open) })
	t.Run("Put_LostAnswerIsResolvedByRetry", func(t *testing.T) { lostAnswer(t, server, fresh(), open) })
	t.Run("Put_RetryKeepsRacesHonest", func(t *testing.T) { retriedRace(t, server, fresh(), open) })
	t.Run("Put_OtherPrefixIsAnotherPlace", func(t *testing.T) { prefixesApart(t, server, open) })
	t.Run("Put_InAStorageClass", func(t *testing.T) { storageClass(t, server, fresh(), open) })
	t.Run("Restart_IsRiddenOutByRetry", func(t *testing.T) { restart(t, server, fresh(), open) })
}

// corrupted flips one bit of a body behind the SDK's back.
func corrupted(t *testing.T, server *servers.Server, prefix string, open Open) {
	flipAt := -1
	transport := roundTrips(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut && flipAt >= 0 {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			body[flipAt] ^= 4
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	store := open(t, server, prefix, transport)
	body := bytes.Repeat([]byte("0123456789"), 20_000)
	for _, flipAt = range []int{0, len(body) / 2, len(body) - 1} {
		wantClass(t, "put of a corrupted body", store.Put(t.Context(), "k", body[:70_000], body[70_000:]), objectstore.ErrUnavailable)
		_, err := store.Get(t.Context(), "k", 0, -1)
		wantClass(t, "get after it", err, objectstore.ErrNotFound)
	}
	flipAt = -1
	if err := store.Put(t.Context(), "k", body); err != nil {
		t.Errorf("put of the right body: %v", err)
	}
}

// lostAnswer lets a Put through and breaks the connection before its answer.
func lostAnswer(t *testing.T, server *servers.Server, prefix string, open Open) {
	var lose atomic.Bool
	transport := roundTrips(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && r.Method == http.MethodPut && lose.Swap(false) {
			_ = response.Body.Close()
			return nil, io.ErrUnexpectedEOF
		}
		return response, err
	})
	store := open(t, server, prefix, transport)
	lose.Store(true)
	wantClass(t, "put with its answer lost", store.Put(t.Context(), "a", []byte("x")), objectstore.ErrUnknown)
	if got, err := store.Get(t.Context(), "a", 0, -1); err != nil || string(got) != "x" {
		t.Errorf("get of it: %q, %v", got, err)
	}
	retry := newRetry(store)
	lose.Store(true)
	if err := retry.Put(t.Context(), "b", []byte("x"), []byte("y")); err != nil {
		t.Errorf("put with its answer lost, retried: %v", err)
	}
	lose.Store(true)
	wantClass(t, "put over other bytes with its answer lost", retry.Put(t.Context(), "b", []byte("xz")), objectstore.ErrExists)
}

func newRetry(store objectstore.Store) *objectstore.Retry {
	return objectstore.NewRetry(store, objectstore.DefaultRetryPolicy(), objectstore.SystemClock(), rand.Float64)
}

func retriedRace(t *testing.T, server *servers.Server, prefix string, open Open) {
	store := newRetry(open(t, server, prefix, nil))
	results := make(chan error)
	const writers = 32
	for i := range writers {
		go func() { results <- store.Put(t.Context(), "k", []byte{byte(i)}) }()
	}
	won := 0
	for range writers {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, objectstore.ErrExists):
			t.Errorf("put in a race: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d winners", won)
	}
}

func prefixesApart(t *testing.T, server *servers.Server, open Open) {
	one, other, whole := open(t, server, "apart/one", nil), open(t, server, "apart/one-more", nil), open(t, server, "", nil)
	for _, store := range []objectstore.Store{one, other} {
		if err := store.Put(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	page, err := one.List(t.Context(), "", "", 10)
	if err != nil || len(page) != 1 || page[0].Key != "k" {
		t.Errorf("list below a prefix: %v, %v", page, err)
	}
	page, err = whole.List(t.Context(), "apart/", "", 10)
	if err != nil || len(page) != 2 || page[0].Key != "apart/one-more/k" || page[1].Key != "apart/one/k" {
		t.Errorf("list of the whole bucket: %v, %v", page, err)
	}
}

func restart(t *testing.T, server *servers.Server, prefix string, open Open) {
	store := open(t, server, prefix, nil)
	if err := store.Put(t.Context(), "before", []byte("x")); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	for range 2 { // first on a connection that has died, then without any
		if err := store.Put(t.Context(), "down", []byte("x")); !errors.Is(err, objectstore.ErrUnavailable) && !errors.Is(err, objectstore.ErrUnknown) {
			t.Errorf("put while the server is down: %v", err)
		}
	}
	done := make(chan error)
	go func() { done <- newRetry(store).Put(t.Context(), "during", []byte("y")) }()
	server.Restart(t)
	if err := <-done; err != nil {
		t.Errorf("put over a restart: %v", err)
	}
	for key, want := range map[string]string{"before": "x", "during": "y"} {
		if got, err := newRetry(store).Get(t.Context(), key, 0, -1); err != nil || string(got) != want {
			t.Errorf("get %s after a restart: %q, %v", key, got, err)
		}
	}
}
