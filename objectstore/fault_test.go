package objectstore_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
	"github.com/firnlog/firnlog/objectstore/storetest"
)

func TestFault_WithoutFaultsKeepsThePromisesOfStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) objectstore.Store {
		store, _ := faulty(memory.New())
		return store
	})
}

func TestFault_BeforeHasNoEffectAndAfterHas(t *testing.T) {
	inner := memory.New()
	store, _ := faulty(inner, refused, denied, lost, lost, refused)
	wantPut := func(want error, stored bool) {
		t.Helper()
		if err := store.Put(t.Context(), "k", []byte("x")); !errors.Is(err, want) {
			t.Errorf("put: %v, want %v", err, want)
		}
		if _, err := inner.Get(t.Context(), "k", 0, -1); (err == nil) != stored {
			t.Errorf("after put: %v, stored should be %v", err, stored)
		}
	}
	wantPut(objectstore.ErrUnavailable, false)
	wantPut(errDenied, false)
	wantPut(objectstore.ErrUnknown, true)
	if err := store.Delete(t.Context(), "k"); !errors.Is(err, objectstore.ErrUnknown) {
		t.Errorf("delete: %v", err)
	}
	if page, _ := inner.List(t.Context(), "", "", 9); len(page) != 0 {
		t.Errorf("delete was lost on its way there: %v", page)
	}
	if _, err := store.Get(t.Context(), "k", 0, -1); !errors.Is(err, objectstore.ErrUnavailable) {
		t.Errorf("get: %v", err)
	}
}

func TestFault_LateEffectsLandWhenTold(t *testing.T) {
	inner := memory.New()
	store, _ := faulty(inner, held, held, held, objectstore.Decision{})
	body := []byte("early")
	for _, key := range []string{"a", "b"} {
		if err := store.Put(t.Context(), key, body); !errors.Is(err, objectstore.ErrUnknown) {
			t.Fatalf("put %s: %v", key, err)
		}
	}
	copy(body, "LATER")
	if err := store.Delete(t.Context(), "c"); !errors.Is(err, objectstore.ErrUnknown) {
		t.Fatalf("delete: %v", err)
	}
	if err := store.Put(t.Context(), "b", []byte("winner")); err != nil {
		t.Fatal(err)
	}
	if page, _ := inner.List(t.Context(), "", "", 9); len(page) != 1 || store.Late() != 3 {
		t.Fatalf("before landing: %v, %d late", page, store.Late())
	}
	for _, want := range []struct {
		i   int
		key string
	}{{1, "b"}, {0, "a"}, {0, "c"}} {
		if key, err := store.Land(t.Context(), want.i); err != nil || key != want.key {
			t.Errorf("land %d: %s, %v; want %s", want.i, key, err, want.key)
		}
	}
	if _, err := store.Land(t.Context(), 0); err == nil {
		t.Error("landed one effect too many")
	}
	for key, want := range map[string]string{"a": "early", "b": "winner"} {
		if got, err := inner.Get(t.Context(), key, 0, -1); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", key, got, err, want)
		}
	}
}

func TestFault_LaggingListIsBlindToTheNewest(t *testing.T) {
	hide := 0
	store := objectstore.NewFault(memory.New(), func(op objectstore.Op, _ string) objectstore.Decision {
		if op == objectstore.OpList {
			return objectstore.Decision{Hide: hide}
		}
		return objectstore.Decision{}
	}, objectstore.SystemClock())
	for _, key := range []string{"e", "a", "c", "b", "d"} {
		if err := store.Put(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		hide, limit int
		want        string
	}{
		{0, 9, "[{a 0} {b 0} {c 0} {d 0} {e 0}]"},
		{2, 9, "[{a 0} {c 0} {e 0}]"},
		{2, 2, "[{a 0} {c 0}]"},
		{3, 2, "[{a 0} {e 0}]"},
		{9, 2, "[]"},
	} {
		hide = test.hide
		page, err := store.List(t.Context(), "", "", test.limit)
		if err != nil || fmt.Sprint(page) != test.want {
			t.Errorf("hide %d, limit %d: %v, %v; want %s", test.hide, test.limit, page, err, test.want)
		}
	}
}

func TestFault_SlowTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := faulty(memory.New(), objectstore.Decision{Delay: 3 * time.Second})
		started := time.Now()
		if err := store.Put(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
