package objectstore_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/firnlog/firnlog/objectstore"
	"github.com/firnlog/firnlog/objectstore/memory"
	"github.com/firnlog/firnlog/objectstore/storetest"
)

func TestRouter_KeepsThePromisesOfStoreWhereverKeysLie(t *testing.T) {
	for _, prefix := range []string{"a", "k", "other/", "p/"} {
		t.Run(prefix, func(t *testing.T) {
			storetest.Run(t, func(*testing.T) objectstore.Store { return objectstore.NewRouter(memory.New(), memory.New(), prefix) })
		})
	}
}

func TestRouter_PutsBelowThePrefixToTheOtherStoreAndFindsWhatWasInTheFirst(t *testing.T) {
	first, other := memory.New(), memory.New()
	put := func(s objectstore.Store, key, body string) {
		t.Helper()
		if err := s.Put(t.Context(), key, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	put(first, "cold/before", "before")
	r := objectstore.NewRouter(first, other, "cold/")
	put(r, "cold/new", "new")
	put(r, "settled/x", "x")
	if page, err := other.List(t.Context(), "", "", 9); fmt.Sprint(page, err) != "[{cold/new 3}] <nil>" {
		t.Errorf("the other store has %v, %v", page, err)
	}
	for _, key := range []string{"cold/before", "cold/new", "settled/x"} {
		if _, err := r.Get(t.Context(), key, 0, -1); err != nil {
			t.Error(err)
		}
	}
	for prefix, want := range map[string]string{
		"":         "[{cold/before 6} {cold/new 3} {settled/x 1}]",
		"co":       "[{cold/before 6} {cold/new 3}]",
		"cold/n":   "[{cold/new 3}]",
		"settled/": "[{settled/x 1}]",
	} {
		if page, err := r.List(t.Context(), prefix, "", 9); fmt.Sprint(page, err) != want+" <nil>" {
			t.Errorf("list %q: %v, %v; want %s", prefix, page, err, want)
		}
	}
	if page, err := r.List(t.Context(), "", "cold/before", 1); fmt.Sprint(page, err) != "[{cold/new 3}] <nil>" {
		t.Errorf("a page: %v, %v", page, err)
	}
	if err := r.Delete(t.Context(), "cold/before", "cold/new", "settled/x"); err != nil {
		t.Fatal(err)
	}
	if page, err := r.List(t.Context(), "", "", 9); len(page) != 0 || err != nil {
		t.Errorf("left: %v, %v", page, err)
	}
}

func TestInClass_AStoreWithoutClassesRefusesThemThroughAllDecorators(t *testing.T) {
	inner := memory.New()
	var store objectstore.Store = objectstore.NewMeter(inner, objectstore.SystemClock().Now, nil)
	store = objectstore.NewRetry(objectstore.NewRouter(store, store, "x/"), objectstore.DefaultRetryPolicy(), objectstore.SystemClock(), func() float64 { return 0 })
	ctx := objectstore.InClass(t.Context(), "GLACIER_IR")
	if err := store.Put(ctx, "x/k", []byte("x")); !errors.Is(err, objectstore.ErrClass) {
		t.Errorf("put: %v, want ErrClass", err)
	}
	if err := store.Put(objectstore.InClass(ctx, ""), "x/k", []byte("x")); err != nil {
		t.Errorf("put in the bucket's own class: %v", err)
	}
}
