package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
)

const usualTime = 30 * time.Millisecond

// paced is a store whose GETs do what the test says; n counts from 1.
type paced struct {
	objectstore.Store
	n   atomic.Int64
	get func(ctx context.Context, n int) ([]byte, error)
}

func (p *paced) Get(ctx context.Context, _ string, _, _ int64) ([]byte, error) {
	return p.get(ctx, int(p.n.Add(1)))
}

// after answers err, or the number of the GET, when d is over.
func after(ctx context.Context, d time.Duration, n int, err error) ([]byte, error) {
	if ended := objectstore.SystemClock().Sleep(ctx, d); ended != nil {
		return nil, fmt.Errorf("%w: %w", objectstore.ErrUnavailable, ended)
	}
	if err != nil {
		return nil, err
	}
	return fmt.Append(nil, n), nil
}

// learned makes a Hedge that has seen so many GETs that it is patient for twice usualTime and may send ten at once. What comes
// then is the n-th from 1 for get.
func learned(t *testing.T, get func(ctx context.Context, n int) ([]byte, error)) (*objectstore.Hedge, *paced) {
	t.Helper()
	store := &paced{Store: memory.New(), get: func(ctx context.Context, n int) ([]byte, error) { return after(ctx, usualTime, n, nil) }}
	h := objectstore.NewHedge(store, objectstore.SystemClock())
	for range 400 {
		if _, err := h.Get(t.Context(), "segments/a", 0, -1); err != nil {
			t.Fatal(err)
		}
	}
	if sent, _ := h.Hedges(); sent != 0 {
		t.Fatalf("%d second GETs to a store that always takes the same", sent)
	}
	store.n.Store(0)
	store.get = get
	return h, store
}

func hedges(t *testing.T, h *objectstore.Hedge, sent, won int64) {
	t.Helper()
	if s, w := h.Hedges(); s != sent || w != won {
		t.Errorf("%d second GETs sent, %d won; want %d and %d", s, w, sent, won)
	}
}

func TestHedge_WhatTakesTooLongIsAskedForAgainAndTheFirstAnswerCounts(t *testing.T) {
	refused := fmt.Errorf("%w: 503", objectstore.ErrUnavailable)
	other := fmt.Errorf("%w: 500", objectstore.ErrUnavailable)
	gone := fmt.Errorf("%w: none", objectstore.ErrNotFound)
	const ms = time.Millisecond
	type get struct {
		takes time.Duration
		err   error
	}
	for name, c := range map[string]struct {
		first, second get
		sent, won     int64
		answer        string
		err           error
		took          time.Duration
	}{
		"the first one in time":          {get{59 * ms, nil}, get{}, 0, 0, "1", nil, 59 * ms},
		"the second one wins":            {get{time.Second, nil}, get{30 * ms, nil}, 1, 1, "2", nil, 90 * ms},
		"the first one wins":             {get{70 * ms, nil}, get{30 * ms, nil}, 1, 0, "1", nil, 70 * ms},
		"the first one fails meanwhile":  {get{70 * ms, refused}, get{30 * ms, nil}, 1, 1, "2", nil, 90 * ms},
		"the second one fails":           {get{time.Second, nil}, get{30 * ms, refused}, 1, 0, "1", nil, time.Second},
		"both fail, the first one first": {get{70 * ms, refused}, get{30 * ms, other}, 1, 0, "", refused, 90 * ms},
		"both fail, the first one last":  {get{time.Second, refused}, get{30 * ms, other}, 1, 0, "", refused, time.Second},
		"fails at once":                  {get{10 * ms, refused}, get{}, 0, 0, "", refused, 10 * ms},
		"not there, the second says":     {get{time.Second, nil}, get{30 * ms, gone}, 1, 1, "", gone, 90 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, _ := learned(t, func(ctx context.Context, n int) ([]byte, error) {
					g := []get{c.first, c.second}[n-1]
					return after(ctx, g.takes, n, g.err)
				})
				started := time.Now()
				data, err := h.Get(t.Context(), "segments/a", 0, -1)
				if string(data) != c.answer || !errors.Is(err, c.err) || c.err != nil && err.Error() != c.err.Error() {
					t.Errorf("answered %q, %v; want %q, %v", data, err, c.answer, c.err)
				}
				if took := time.Since(started); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				hedges(t, h, c.sent, c.won)
			})
		})
	}
}

func TestHedge_WhatChangesOrListsIsNeverSentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, store := learned(t, func(context.Context, int) ([]byte, error) { return nil, errors.New("a GET") })
		slow := objectstore.NewFault(store.Store, func(objectstore.Op, string) objectstore.Decision {
			return objectstore.Decision{Delay: 10 * time.Second}
		}, objectstore.SystemClock())
		counted := objectstore.NewMeter(slow, time.Now, nil)
		store.Store, h.Store = counted, store
		if err := h.Put(t.Context(), "segments/b", []byte("b")); err != nil {
			t.Error(err)
		}
		if infos, err := h.List(t.Context(), "", "", 10); len(infos) != 1 || err != nil {
			t.Error(infos, err)
		}
		if err := h.Delete(t.Context(), "segments/b"); err != nil {
			t.Error(err)
		}
		s := counted.Snapshot()
		if s.Put.Requests != 1 || s.List.Requests != 1 || s.Delete.Requests != 1 || s.Get.Requests != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestHedge_BothEndWithWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, store := learned(t, func(ctx context.Context, n int) ([]byte, error) { return after(ctx, time.Hour, n, nil) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		if _, err := h.Get(ctx, "segments/a", 0, -1); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != time.Second {
			t.Errorf("%v after %v", err, time.Since(started))
		}
		if n := store.n.Load(); n != 2 {
			t.Errorf("%d GETs, want 2", n)
		}
	})
}

// TestHedge_LosersGiveBackTheirRoomWhenTheyEnd: a bubble ends only when all its goroutines have, so none is left here.
func TestHedge_LosersGiveBackTheirRoomWhenTheyEnd(t *testing.T) {
	const linger = 10 * time.Second // what a loser takes to let go
	synctest.Test(t, func(t *testing.T) {
		h, _ := learned(t, func(_ context.Context, n int) ([]byte, error) {
			d := linger
			if n%2 == 0 && n <= 8 || n > 10 && n%2 == 1 {
				d = time.Millisecond // seconds, and then what follows the one that was not hedged
			}
			return after(context.Background(), d, n, nil)
		})
		get := func() time.Duration {
			started := time.Now()
			if _, err := h.Get(t.Context(), "segments/a", 0, -1); err != nil {
				t.Error(err)
			}
			return time.Since(started)
		}
		for range 4 {
			if took := get(); took > time.Second {
				t.Errorf("took %v", took)
			}
		}
		hedges(t, h, 4, 4)
		if took := get(); took != linger {
			t.Errorf("a fifth pair was sent while four losers hold their memory: %v", took)
		}
		hedges(t, h, 4, 4)
		if took := get(); took > time.Second {
			t.Errorf("losers have ended, but no pair may be sent: %v", took)
		}
		hedges(t, h, 5, 5)
		time.Sleep(linger)
	})
}

func TestHedge_BothAreCountedAndTheLoserIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, store := learned(t, func(ctx context.Context, n int) ([]byte, error) {
			return after(ctx, []time.Duration{time.Minute, usualTime}[n-1], n, nil)
		})
		var seen []objectstore.Observation
		counted := objectstore.NewMeter(store, time.Now, func(o objectstore.Observation) { seen = append(seen, o) })
		h.Store = counted
		if _, err := h.Get(t.Context(), "segments/a", 0, -1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := counted.Snapshot().Get; s.Requests != 2 || s.Errors != 0 || s.BytesIn != 1 {
			t.Errorf("%+v", s)
		}
		if len(seen) != 2 || seen[0].Overtaken || !seen[1].Overtaken || seen[1].Err != nil {
			t.Errorf("%+v", seen)
		}
	})
}
