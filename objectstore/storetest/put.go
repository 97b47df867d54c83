package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/firnlog/firnlog/objectstore"
)

func putChunks(t *testing.T, store objectstore.Store) {
	put(t, store, "chunks/few", "a", "", "bcd", "e")
	wantBytes(t, store, "chunks/few", []byte("abcde"))

	// More chunks than one writev takes, more bytes than one buffer holds.
	whole := pattern(1<<20 + 17)
	var chunks [][]byte
	for rest := whole; len(rest) > 0; {
		n := min(len(rest), 1+len(chunks)%700)
		chunks = append(chunks, rest[:n])
		rest = rest[n:]
	}
	if err := store.Put(t.Context(), "chunks/many", chunks...); err != nil {
		t.Fatalf("put %d chunks: %v", len(chunks), err)
	}
	wantBytes(t, store, "chunks/many", whole)
}

func putEmpty(t *testing.T, store objectstore.Store) {
	put(t, store, "empty/none")
	put(t, store, "empty/chunk", "", "")
	for _, key := range []string{"empty/none", "empty/chunk"} {
		for _, extent := range [][2]int64{{0, -1}, {0, 5}, {0, 0}, {3, -1}, {-4, -1}} {
			got, err := store.Get(t.Context(), key, extent[0], extent[1])
			if err != nil || len(got) != 0 {
				t.Errorf("get %s %v: %q, %v; want nothing", key, extent, got, err)
			}
		}
	}
	page := list(t, store, "empty/", "", 10)
	if fmt.Sprint(page) != "[{empty/chunk 0} {empty/none 0}]" {
		t.Errorf("list: %v", page)
	}
	wantError(t, "second put", store.Put(t.Context(), "empty/none", []byte("x")), objectstore.ErrExists)
}

func putExisting(t *testing.T, store objectstore.Store) {
	put(t, store, "taken", "first")
	for _, body := range []string{"second", "first", ""} {
		err := store.Put(t.Context(), "taken", []byte(body))
		wantError(t, "second put", err, objectstore.ErrExists)
		if errors.Is(err, objectstore.ErrUnknown) {
			t.Errorf("second put: %v is also unknown", err)
		}
	}
	wantBytes(t, store, "taken", []byte("first"))
}

func putRace(t *testing.T, store objectstore.Store) {
	const writers = 32
	ctx := t.Context()
	for round := range 3 {
		key := fmt.Sprintf("race/%d", round)
		bodies := make([][]byte, writers)
		for i := range bodies {
			bodies[i] = bytes.Repeat([]byte{byte('A' + i)}, 1000+i)
		}
		winner := make(chan int, writers)
		errs := parallel(writers, func(i int) error {
			err := insist(func() error { return store.Put(ctx, key, bodies[i][:500], bodies[i][500:]) })
			if err == nil {
				winner <- i
			}
			return err
		})
		for _, err := range errs {
			if err != nil && !errors.Is(err, objectstore.ErrExists) {
				t.Fatalf("put in a race: %v", err)
			}
		}
		if len(winner) != 1 {
			t.Fatalf("%d of %d writers created %s", len(winner), writers, key)
		}
		wantBytes(t, store, key, bodies[<-winner])
	}
}

func putAfterDelete(t *testing.T, store objectstore.Store) {
	put(t, store, "again", "one")
	if err := store.Delete(t.Context(), "again"); err != nil {
		t.Fatal(err)
	}
	put(t, store, "again", "two")
	wantBytes(t, store, "again", []byte("two"))
}

func putKeepsChunks(t *testing.T, store objectstore.Store) {
	body := [][]byte{[]byte("abc"), []byte("def")}
	if err := store.Put(t.Context(), "mine", body...); err != nil {
		t.Fatal(err)
	}
	if len(body) != 2 || string(body[0]) != "abc" || string(body[1]) != "def" {
		t.Errorf("after put the chunks are %q", body)
	}
	body[0][0], body[1] = 'X', nil
	wantBytes(t, store, "mine", []byte("abcdef"))
}
